// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/base/result.h"

namespace edgesmith::report {

/// A JSON document as one self-contained HTML page: members as a table, lists of objects as tables of their own.
/// `title` heads it. A text that is no JSON object gives a page that shows it as it is.
/// `pictures` are sections of HTML to come before that.
std::string document_html(const std::string& title, const std::string& json, const std::string& pictures = "");

/// Writes `json` into `folder`/report.json and its page beside it as report.html; the folder is created when it is not
/// there. Errors: io.
Status write_document(const std::string& title, const std::string& json, const std::string& folder,
                      const std::string& pictures = "");

}  // namespace edgesmith::report

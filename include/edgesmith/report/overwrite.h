// SPDX-License-Identifier: Apache-2.0
// What reports may replace without being told to: earlier reports, and nothing else.
#pragma once

#include <string>

#include "edgesmith/base/result.h"

namespace edgesmith::report {

/// Of report.json and report.html in `folder`, which need not be there. Errors: usage, where one is another program's;
/// io, where it cannot be read.
Status check_report_files(const std::string& folder);

/// Errors: usage, where `path` is a file that is no JUnit XML; io, where it cannot be read or written.
Status check_junit_file(const std::string& path);

}  // namespace edgesmith::report

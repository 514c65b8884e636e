// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/base/result.h"
#include "edgesmith/refine/run_report.h"

namespace edgesmith::report {

/// The report as one self-contained HTML page: styles and plots are inline, nothing is fetched.
std::string run_html(const refine::RunReport& report);

/// Writes report.json and report.html into `folder`, which is created when it is not there. Errors: io.
Status write_report(const refine::RunReport& report, const std::string& folder);

}  // namespace edgesmith::report

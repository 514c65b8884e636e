// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "edgesmith/base/result.h"
#include "edgesmith/refine/run_report.h"

namespace edgesmith::report {

/// The version of the tool, "0.1.0".
std::string_view tool_version();

/// The report as a JSON document (schema edgesmith.report/1, docs/report.md), with a newline at its end. Numbers that
/// are not finite are null; bytes that are not UTF-8 are replaced.
std::string run_json(const refine::RunReport& report);

}  // namespace edgesmith::report

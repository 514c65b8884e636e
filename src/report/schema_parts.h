// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace edgesmith::report {

/// JSON: schema of a run's report without its head: what run_json writes of a run with everything in it, of one with
/// nothing, and of one that measured nothing. Members that not all of them have are optional; those that are null in
/// one may be null.
std::string report_shape();

}  // namespace edgesmith::report

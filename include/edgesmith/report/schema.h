// SPDX-License-Identifier: Apache-2.0
// JSON Schema (2020-12) of our files. Nothing is written down twice: the keys of recipes are those that the reader asks
// for, options come from the tables of the passes, a target's keys from the table that parses it, and the report's
// members from what the writer writes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace edgesmith::report {

/// "recipe", "data", "target", "report".
const std::vector<std::string>& schema_kinds();

/// The schema of one of them as a JSON document, or "" for another word.
std::string schema_json(std::string_view kind);

}  // namespace edgesmith::report

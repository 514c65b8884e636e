// SPDX-License-Identifier: Apache-2.0
// What people call the classes that labels number.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"

namespace edgesmith::data {

/// Names by class of a folder of class folders, also one that a .toml describes; empty where the data have none (their
/// folders are numbers, or it is another form of data).
std::vector<std::string> folder_class_names(const DataSpec& spec);

/// Names from a file: one a line, in the order of the classes, or a .csv with the columns `label` and `name`.
/// Errors: io; invalid (no such columns, a label that is no number from 0 to 1e6).
Result<std::vector<std::string>> read_class_names(const std::string& path);

}  // namespace edgesmith::data

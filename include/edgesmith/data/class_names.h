// SPDX-License-Identifier: Apache-2.0
// What people call the classes that labels number.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/data/dataset.h"
#include "edgesmith/ir/graph.h"

namespace edgesmith::data {

/// Names by class of a folder of class folders, also one that a .toml describes; empty where the data have none (their
/// folders are numbers, or it is another form of data).
std::vector<std::string> folder_class_names(const DataSpec& spec);

/// Warns when labels are the ranks of class folders, and these are not as many as the classes of the first output of
/// `graph`: one that is missing shifts the labels of those behind it. For data whose labels matter: a few classes are
/// enough to calibrate with.
void warn_about_missing_classes(const DataSpec& spec, const ir::Graph& graph);

/// Names from a file: one a line, in the order of the classes, or a .csv with the columns `label` and `name`.
/// Errors: io; invalid (no such columns, a label that is no number from 0 to 1e6).
Result<std::vector<std::string>> read_class_names(const std::string& path);

}  // namespace edgesmith::data

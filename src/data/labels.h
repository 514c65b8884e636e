// SPDX-License-Identifier: Apache-2.0
// Labels that lie in a file of their own, and the words that say where labels come from.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/tensor.h"

namespace edgesmith::data {

/// True for "folders", "folder-numbers" and "none".
bool is_label_keyword(const std::string& labels);
/// Class labels from a .npy file, an IDX file (.gz too) or a text file of one integer a line. `count` is the number of
/// samples they must match. Errors: io; invalid, naming the file and both numbers.
Result<std::vector<int64_t>> read_label_file(const std::string& path, int64_t count);
/// Integer labels [N] or [N,1] as numbers; false for any other tensor.
bool as_labels(const ir::Tensor& tensor, std::vector<int64_t>& labels);
/// "rank 3 != 4" in words: `have` labels for `want` samples. Errors: invalid.
Status check_label_count(const std::string& where, int64_t have, int64_t want);

}  // namespace edgesmith::data

// SPDX-License-Identifier: Apache-2.0
#include "data/labels.h"

#include <charconv>

#include "data/bytes.h"
#include "data/idx.h"
#include "data/npy.h"

namespace edgesmith::data {
namespace {

Result<std::vector<int64_t>> parse_lines(std::string_view text, const std::string& path) {
  std::vector<int64_t> labels;
  int64_t line = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view word = text.substr(at, end - at);
    at = end + 1;
    ++line;
    while (!word.empty() && (word.back() == '\r' || word.back() == ' ')) word.remove_suffix(1);
    if (word.empty()) continue;
    int64_t label = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), label);
    if (read.ec != std::errc() || read.ptr != word.data() + word.size()) {
      return invalid_error(
          path + ":" + std::to_string(line) + ": '" + std::string(word.substr(0, 40)) + "' is not a class number",
          "a file of labels is .npy, IDX, or text with one integer a line");
    }
    labels.push_back(label);
  }
  return labels;
}

}  // namespace

bool is_label_keyword(const std::string& labels) {
  return labels == "folders" || labels == "folder-numbers" || labels == "none";
}

bool as_labels(const ir::Tensor& tensor, std::vector<int64_t>& labels) {
  const bool numbers = ir::is_integer(tensor.dtype()) || tensor.dtype() == ir::DType::boolean;
  const bool column = tensor.rank() == 1 || (tensor.rank() == 2 && tensor.dims()[1] == 1);
  if (!numbers || !column) return false;
  labels = tensor.to_int64s();
  return true;
}

Status check_label_count(const std::string& where, int64_t have, int64_t want) {
  if (have == want) return {};
  return invalid_error(where + ": " + std::to_string(have) + " labels for " + std::to_string(want) + " samples",
                       "check that both belong together");
}

Result<std::vector<int64_t>> read_label_file(const std::string& path, int64_t count) {
  auto bytes = map_or_gunzip(path);
  if (!bytes) return bytes.error();
  std::vector<int64_t> labels;
  const std::string_view text(reinterpret_cast<const char*>(bytes->span.data()), bytes->size());
  if (text.starts_with("\x93NUMPY") || looks_like_idx(bytes->span)) {
    auto tensor = text.starts_with("\x93NUMPY") ? parse_npy(*bytes, path) : parse_idx(*bytes, path);
    if (!tensor) return tensor.error();
    if (!as_labels(*tensor, labels)) {
      return invalid_error(path + ": labels are " + tensor->type().text() + ", not integers of rank 1");
    }
  } else {
    auto lines = parse_lines(text, path);
    if (!lines) return lines.error();
    labels = std::move(*lines);
  }
  EDGESMITH_TRY(check_label_count(path, static_cast<int64_t>(labels.size()), count));
  return labels;
}

}  // namespace edgesmith::data

// SPDX-License-Identifier: Apache-2.0
#include "onnx/external_data.h"

#include <charconv>
#include <filesystem>

namespace edgesmith::onnx {
namespace {

namespace fs = std::filesystem;

bool read_number(std::string_view text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool climbs(const fs::path& path) {
  for (const fs::path& part : path) {
    if (part == "..") return true;
  }
  return false;
}

bool inside(const fs::path& folder, const fs::path& file) {
  auto at = file.begin();
  for (const fs::path& part : folder) {
    if (part.empty()) continue;  // a trailing slash
    if (at == file.end() || *at != part) return false;
    ++at;
  }
  return true;
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> ExternalData::open(const std::string& location) {
  if (const auto known = files_.find(location); known != files_.end()) return known->second;
  const std::string what = "external data '" + location + "'";
  const fs::path relative(location);
  if (location.empty() || relative.is_absolute() || climbs(relative)) {
    return invalid_error(what + " lie outside the model's folder", "only files beside the model are read");
  }
  std::error_code error;
  const fs::path folder = fs::canonical(folder_.empty() ? "." : folder_, error);
  const fs::path file = error ? fs::path() : fs::canonical(folder / relative, error);
  if (error) return invalid_error(what + " are missing", "put the file beside the model");
  if (!inside(folder, file)) {
    return invalid_error(what + " lie outside the model's folder", "a symbolic link leads to " + file.string());
  }
  if (!fs::is_regular_file(file, error)) return invalid_error(what + " are not a regular file");
  auto mapped = MappedFile::open(file.string());
  if (!mapped) return mapped.error();
  files_.emplace(location, *mapped);
  return *mapped;
}

Result<ExternalData::Piece> ExternalData::find(const TensorView& tensor, int64_t wanted) {
  std::string location;
  uint64_t offset = 0, length = static_cast<uint64_t>(wanted);
  for (const ExternalEntry& entry : tensor.external_data) {
    bool good = true;
    if (entry.key == "location") location = entry.value;
    if (entry.key == "offset") good = read_number(entry.value, offset);
    if (entry.key == "length") good = read_number(entry.value, length);
    if (!good)
      return invalid_error("external data: " + std::string(entry.key) + " '" + std::string(entry.value) +
                           "' is no number");
  }
  auto file = open(location);
  if (!file) return file.error();
  if (length != static_cast<uint64_t>(wanted)) {
    return invalid_error("external data '" + location + "': length is " + std::to_string(length) +
                         ", the tensor needs " + std::to_string(wanted) + " bytes");
  }
  const wire::Bytes bytes = (*file)->bytes();
  if (offset > bytes.size() || length > bytes.size() - offset) {
    return invalid_error("external data '" + location + "' have " + std::to_string(bytes.size()) +
                             " bytes, the tensor needs " + std::to_string(length) + " at " + std::to_string(offset),
                         "the file is cut off or belongs to another model");
  }
  return Piece{bytes.subspan(static_cast<size_t>(offset), static_cast<size_t>(length)), *file};
}

}  // namespace edgesmith::onnx

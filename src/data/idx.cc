// SPDX-License-Identifier: Apache-2.0
#include "data/idx.h"

#include <algorithm>
#include <filesystem>

namespace edgesmith::data {
namespace {

using ir::DType;

DType dtype_of_code(int code) {
  switch (code) {
    case 0x08: return DType::u8;
    case 0x09: return DType::i8;
    case 0x0B: return DType::i16;
    case 0x0C: return DType::i32;
    case 0x0D: return DType::f32;
    case 0x0E: return DType::f64;
    default: return DType::undefined;
  }
}

uint32_t read_be32(std::span<const std::byte> bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

// Replaces the last occurrence of `from`; false when there is none.
bool replace_last(std::string& text, const std::string& from, const std::string& to) {
  const size_t at = text.rfind(from);
  if (at == std::string::npos) return false;
  text.replace(at, from.size(), to);
  return true;
}

}  // namespace

bool looks_like_idx(std::span<const std::byte> bytes) {
  if (bytes.size() < 8 || bytes[0] != std::byte{0} || bytes[1] != std::byte{0}) return false;
  const int rank = std::to_integer<int>(bytes[3]);
  return dtype_of_code(std::to_integer<int>(bytes[2])) != DType::undefined && rank >= 1 && rank <= 8;
}

Result<ir::Tensor> parse_idx(const Bytes& bytes, const std::string& name) {
  if (!looks_like_idx(bytes.span)) {
    return invalid_error(name + ": not an IDX file (it does not start with 0 0, a type and a rank)");
  }
  const DType dtype = dtype_of_code(std::to_integer<int>(bytes.span[2]));
  const size_t rank = std::to_integer<size_t>(bytes.span[3]);
  const size_t begin = 4 + 4 * rank;
  if (bytes.size() < begin) return invalid_error(name + ": truncated IDX header", "fetch the file again");
  ir::Dims dims;
  for (size_t i = 0; i < rank; ++i) dims.push_back(read_be32(bytes.span, 4 + 4 * i));
  const int64_t count = ir::num_elements(dims);
  const size_t width = static_cast<size_t>(ir::dtype_bits(dtype)) / 8;
  if (count < 0 || static_cast<uint64_t>(count) > (bytes.size() - begin) / width) {
    return invalid_error(name + ": " + ir::type_of(dtype, dims).text() + " is more than the file holds (" +
                             std::to_string(bytes.size() - begin) + " bytes)",
                         "it is truncated; fetch it again");
  }
  const Bytes elements = bytes.part(begin, static_cast<size_t>(count) * width);
  if (width == 1) return ir::Tensor(dtype, dims, elements.span, elements.owner);
  ir::Tensor tensor = ir::Tensor::zeros(dtype, dims);
  const auto out = tensor.mutable_bytes();
  for (size_t at = 0; at < out.size(); at += width) {
    const auto from = elements.span.subspan(at, width);
    std::reverse_copy(from.begin(), from.end(), out.subspan(at, width).begin());
  }
  return tensor;
}

std::string idx_labels_beside(const std::string& images_path) {
  const std::filesystem::path path(images_path);
  std::string name = path.filename().string();
  if (!replace_last(name, "images", "labels")) return {};
  for (const char* rank : {"idx2", "idx3", "idx4"}) replace_last(name, rank, "idx1");
  std::string other = name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name + ".gz";
  for (const std::string& candidate : {name, other}) {
    std::error_code ignored;
    const auto beside = path.parent_path() / candidate;
    if (std::filesystem::is_regular_file(beside, ignored)) return beside.string();
  }
  return {};
}

}  // namespace edgesmith::data

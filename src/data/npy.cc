// SPDX-License-Identifier: Apache-2.0
#include "data/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "edgesmith/data/arrays.h"

namespace edgesmith::data {
namespace {

using ir::DType;

constexpr std::string_view kMagic("\x93NUMPY", 6);

struct DescrRow {
  std::string_view code;  // without the byte order
  DType dtype;
};
constexpr DescrRow kDescrs[] = {
    {"f4", DType::f32}, {"f8", DType::f64}, {"f2", DType::f16}, {"u1", DType::u8},
    {"i1", DType::i8},  {"u2", DType::u16}, {"i2", DType::i16}, {"u4", DType::u32},
    {"i4", DType::i32}, {"u8", DType::u64}, {"i8", DType::i64}, {"b1", DType::boolean},
};

struct Header {
  std::string descr;
  bool fortran = false;
  ir::Dims dims;
};

// The text after `'key':` in a Python dict literal, blanks skipped; empty when the key is absent.
std::string_view after_key(std::string_view dict, std::string_view key) {
  for (const char quote : {'\'', '"'}) {
    const std::string quoted = quote + std::string(key) + quote;
    size_t at = dict.find(quoted);
    if (at == std::string_view::npos) continue;
    at = dict.find_first_not_of(" :", at + quoted.size());
    return at == std::string_view::npos ? std::string_view() : dict.substr(at);
  }
  return {};
}

std::optional<ir::Dims> parse_shape(std::string_view text) {
  if (text.empty() || text[0] != '(') return std::nullopt;
  ir::Dims dims;
  size_t at = 1;
  while (at < text.size() && text[at] != ')') {
    if (text[at] == ' ' || text[at] == ',' || text[at] == 'L') {
      ++at;
      continue;
    }
    int64_t dim = 0;
    const auto end = std::from_chars(text.data() + at, text.data() + text.size(), dim);
    if (end.ec != std::errc() || dim < 0) return std::nullopt;
    dims.push_back(dim);
    at = static_cast<size_t>(end.ptr - text.data());
  }
  if (at == text.size()) return std::nullopt;
  return dims;
}

std::optional<Header> parse_header(std::string_view dict) {
  Header header;
  const std::string_view descr = after_key(dict, "descr");
  if (descr.empty()) return std::nullopt;
  if (descr[0] == '\'' || descr[0] == '"') {
    const size_t end = descr.find(descr[0], 1);
    if (end == std::string_view::npos) return std::nullopt;
    header.descr = descr.substr(1, end - 1);
  } else {
    header.descr = "a structured dtype";
  }
  header.fortran = after_key(dict, "fortran_order").substr(0, 4) == "True";
  const auto dims = parse_shape(after_key(dict, "shape"));
  if (!dims) return std::nullopt;
  header.dims = *dims;
  return header;
}

// Copies elements of `width` bytes with their byte order turned.
ir::Tensor swapped(DType dtype, const ir::Dims& dims, std::span<const std::byte> bytes, size_t width) {
  ir::Tensor tensor = ir::Tensor::zeros(dtype, dims);
  const auto out = tensor.mutable_bytes();
  for (size_t at = 0; at < bytes.size(); at += width) {
    std::reverse_copy(bytes.begin() + static_cast<ptrdiff_t>(at), bytes.begin() + static_cast<ptrdiff_t>(at + width),
                      out.begin() + static_cast<ptrdiff_t>(at));
  }
  return tensor;
}

Error bad_descr(const std::string& name, const std::string& descr) {
  const std::string_view code = std::string_view(descr).substr(descr.empty() ? 0 : 1);
  if (code == "O" || descr == "O") {
    return invalid_error(name + ": holds pickled Python objects, which are never read",
                         "save numeric arrays; samples of different lengths go into one file each");
  }
  return invalid_error(name + ": dtype " + descr + " is not numeric", "save it as float32, uint8 or int64");
}

}  // namespace

Result<ir::Tensor> parse_npy(const Bytes& bytes, const std::string& name) {
  const auto span = bytes.span;
  if (span.size() < 10 || std::memcmp(span.data(), kMagic.data(), kMagic.size()) != 0) {
    return invalid_error(name + ": not a NumPy array (no \\x93NUMPY at its start)", "write it with numpy.save");
  }
  const int version = std::to_integer<int>(span[6]);
  const int length_width = version == 1 ? 2 : 4;
  if (version < 1 || version > 3) return invalid_error(name + ": npy format " + std::to_string(version) + ".0");
  if (span.size() < size_t{8} + static_cast<size_t>(length_width)) return invalid_error(name + ": truncated header");
  const uint64_t length = read_le(span, 8, length_width);
  const uint64_t begin = 8 + static_cast<uint64_t>(length_width) + length;
  if (begin > span.size()) return invalid_error(name + ": truncated header", "fetch the file again");
  const std::string_view dict(reinterpret_cast<const char*>(span.data()) + begin - length, length);
  const auto header = parse_header(dict);
  if (!header) return invalid_error(name + ": cannot read the npy header", "write it with numpy.save");

  DType dtype = DType::undefined;
  for (const DescrRow& row : kDescrs) {
    if (header->descr.size() == 3 && std::string_view(header->descr).substr(1) == row.code) dtype = row.dtype;
  }
  if (dtype == DType::undefined) return bad_descr(name, header->descr);
  const int64_t count = ir::num_elements(header->dims);
  const uint64_t width = static_cast<uint64_t>(ir::dtype_bits(dtype)) / 8;
  const uint64_t have = span.size() - begin;
  if (count < 0 || static_cast<uint64_t>(count) > have / width) {
    return invalid_error(name + ": " + ir::type_of(dtype, header->dims).text() + " needs " +
                             (count < 0 ? "more bytes than fit a file"
                                        : std::to_string(width * static_cast<uint64_t>(count)) + " bytes") +
                             ", the file has " + std::to_string(have),
                         "it is truncated; fetch or write it again");
  }
  const auto real_axes = std::count_if(header->dims.begin(), header->dims.end(), [](int64_t dim) { return dim > 1; });
  if (header->fortran && real_axes > 1) {
    return invalid_error(name + ": the array is in Fortran order", "save numpy.ascontiguousarray(x)");
  }
  const Bytes elements = bytes.part(begin, static_cast<size_t>(count) * width);
  if (header->descr[0] == '>' && width > 1) return swapped(dtype, header->dims, elements.span, width);
  return ir::Tensor(dtype, header->dims, elements.span, elements.owner);
}

Result<std::string> npy_header(DType dtype, const ir::Dims& dims) {
  std::string descr;
  for (const DescrRow& row : kDescrs) {
    if (row.dtype == dtype) descr = (row.code.back() == '1' ? "|" : "<") + std::string(row.code);
  }
  if (descr.empty()) return unsupported_error("NumPy has no dtype for " + std::string(ir::dtype_name(dtype)));
  std::string shape = "(";
  for (size_t i = 0; i < dims.size(); ++i) shape += (i > 0 ? ", " : "") + std::to_string(dims[i]);
  shape += dims.size() == 1 ? ",)" : ")";
  std::string dict = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  const size_t prefix = 10;
  dict.append(63 - (prefix + dict.size()) % 64, ' ');
  dict += '\n';
  std::string header(kMagic);
  header += '\x01';
  header += '\0';
  header += static_cast<char>(dict.size() & 0xff);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

}  // namespace edgesmith::data

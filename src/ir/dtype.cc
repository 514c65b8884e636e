// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/dtype.h"

#include <array>

namespace edgesmith::ir {
namespace {

struct DTypeRow {
  std::string_view name;
  int bits;
};

// Indexed by the ONNX number.
constexpr std::array<DTypeRow, 27> kRows = {{
    {"undefined", 0},  {"f32", 32},   {"u8", 8},         {"i8", 8},     {"u16", 16},  {"i16", 16},
    {"i32", 32},       {"i64", 64},   {"string", 0},     {"bool", 8},   {"f16", 16},  {"f64", 64},
    {"u32", 32},       {"u64", 64},   {"c64", 64},       {"c128", 128}, {"bf16", 16}, {"f8e4m3fn", 8},
    {"f8e4m3fnuz", 8}, {"f8e5m2", 8}, {"f8e5m2fnuz", 8}, {"u4", 4},     {"i4", 4},    {"f4e2m1", 4},
    {"f8e8m0", 8},     {"u2", 2},     {"i2", 2},
}};

bool is_signed_integer(DType dtype) {
  return dtype == DType::i2 || dtype == DType::i4 || dtype == DType::i8 || dtype == DType::i16 || dtype == DType::i32 ||
         dtype == DType::i64;
}

bool is_unsigned_integer(DType dtype) {
  return dtype == DType::u2 || dtype == DType::u4 || dtype == DType::u8 || dtype == DType::u16 || dtype == DType::u32 ||
         dtype == DType::u64;
}

}  // namespace

std::string_view dtype_name(DType dtype) { return kRows[static_cast<size_t>(dtype)].name; }

DType dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  return DType::undefined;
}

int dtype_bits(DType dtype) { return kRows[static_cast<size_t>(dtype)].bits; }

bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::f64 || dtype == DType::bf16;
}

bool is_integer(DType dtype) { return is_signed_integer(dtype) || is_unsigned_integer(dtype); }

int64_t min_code(DType dtype) { return is_signed_integer(dtype) ? -(int64_t{1} << (dtype_bits(dtype) - 1)) : 0; }

int64_t max_code(DType dtype) { return (int64_t{1} << (dtype_bits(dtype) - (is_signed_integer(dtype) ? 1 : 0))) - 1; }

}  // namespace edgesmith::ir

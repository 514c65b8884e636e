// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace edgesmith::ir {

/// Element type. The numbers are ONNX's TensorProto.DataType, so no table is needed at the border.
enum class DType : uint8_t {
  undefined = 0,
  f32 = 1,
  u8 = 2,
  i8 = 3,
  u16 = 4,
  i16 = 5,
  i32 = 6,
  i64 = 7,
  string = 8,
  boolean = 9,
  f16 = 10,
  f64 = 11,
  u32 = 12,
  u64 = 13,
  c64 = 14,
  c128 = 15,
  bf16 = 16,
  f8e4m3fn = 17,
  f8e4m3fnuz = 18,
  f8e5m2 = 19,
  f8e5m2fnuz = 20,
  u4 = 21,
  i4 = 22,
  f4e2m1 = 23,
  f8e8m0 = 24,
  u2 = 25,
  i2 = 26,
};

/// Short name used in the text form: "f32", "i8", "bool".
std::string_view dtype_name(DType dtype);
/// The dtype of a short name, or undefined.
DType dtype_from_name(std::string_view name);
/// Bits of one element as stored (4 for i4/u4, packed two in a byte, low nibble first); 0 for string and undefined.
int dtype_bits(DType dtype);
/// Bytes of `count` densely packed elements.
constexpr int64_t packed_bytes(int64_t count, int bits) { return (count * bits + 7) / 8; }
/// f16, bf16, f32, f64.
bool is_float(DType dtype);
/// Signed or unsigned integers of any width (not boolean).
bool is_integer(DType dtype);
/// Smallest and largest code of an integer dtype of at most 32 bits.
int64_t min_code(DType dtype);
int64_t max_code(DType dtype);

template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<int8_t>() {
  return DType::i8;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::u8;
}
template <>
constexpr DType dtype_of<int16_t>() {
  return DType::i16;
}
template <>
constexpr DType dtype_of<uint16_t>() {
  return DType::u16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::i32;
}
template <>
constexpr DType dtype_of<uint32_t>() {
  return DType::u32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::i64;
}
template <>
constexpr DType dtype_of<uint64_t>() {
  return DType::u64;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::boolean;
}

}  // namespace edgesmith::ir

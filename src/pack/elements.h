// SPDX-License-Identifier: Apache-2.0
// What the elements of an ONNX tensor are to the number model: zero, sign, size and the digits below it.
//
//   float32 -0.15625 = 1 01111100 0100...   ->  sign 1, size 124 (the exponent), digits 0100... (23)
//   int8 -20, centre 0: |v| = 1 0100        ->  sign 1, size 4 (place of the leading one), digits 0100 (4)
#pragma once

#include <bit>
#include <cstdint>

namespace edgesmith::pack {

/// How elements of one type are stored; width 0: a type that is not taken out of the model.
struct ElementType {
  int width = 0;          ///< bits: 4, 8, 16, 32 or 64
  int exponent = 0;       ///< bits of the exponent; 0 for integers
  bool is_signed = true;  ///< of integers
  int mantissa() const { return width - 1 - exponent; }
  bool floating() const { return exponent != 0; }
};

/// By ONNX data_type. 4-bit types count as two elements a byte, the padding included.
inline ElementType element_type(int64_t data_type) {
  switch (data_type) {
    case 1:
    case 14: return {32, 8, true};  // float32, complex64 (its parts)
    case 10: return {16, 5, true};  // float16
    case 16: return {16, 8, true};  // bfloat16
    case 11:
    case 15: return {64, 11, true};  // double, complex128
    case 2:
    case 9:
    case 17:
    case 18:
    case 19:
    case 20: return {8, 0, false};  // uint8, bool, the 8-bit floats
    case 3: return {8, 0, true};
    case 4: return {16, 0, false};
    case 5: return {16, 0, true};
    case 6: return {32, 0, true};
    case 12: return {32, 0, false};
    case 7: return {64, 0, true};
    case 13: return {64, 0, false};
    case 21: return {4, 0, false};
    case 22: return {4, 0, true};
    default: return {};
  }
}

/// An element taken apart.
struct Number {
  bool zero = true;
  bool negative = false;
  int size = 0;  ///< floats: the exponent field; integers: the place of the leading one
  int num_digits = 0;
  uint64_t digits = 0;
};

/// Takes elements apart and puts them together. Integers are seen as distances from `centre`, in 64-bit two's
/// complement; both directions agree for every bit pattern.
struct Splitter {
  ElementType type;
  int64_t centre = 0;

  Number split(uint64_t bits) const {
    if (type.floating()) {
      if (bits == 0) return {};
      const int m = type.mantissa();
      return {false, (bits >> (type.width - 1) & 1) != 0,
              static_cast<int>(bits >> m & ((uint64_t{1} << type.exponent) - 1)), m, bits & ((uint64_t{1} << m) - 1)};
    }
    uint64_t value = bits;
    if (type.is_signed && type.width < 64 && (bits >> (type.width - 1) & 1) != 0) value |= ~uint64_t{0} << type.width;
    value -= static_cast<uint64_t>(centre);
    if (value == 0) return {};
    const bool negative = value >> 63 != 0;
    if (negative) value = ~value + 1;
    const int size = 63 - std::countl_zero(value);
    return {false, negative, size, size, value ^ uint64_t{1} << size};
  }
  uint64_t join(const Number& number) const {
    const uint64_t mask = type.width == 64 ? ~uint64_t{0} : (uint64_t{1} << type.width) - 1;
    if (type.floating()) {
      if (number.zero) return 0;
      return (static_cast<uint64_t>(number.negative) << (type.width - 1) |
              static_cast<uint64_t>(number.size) << type.mantissa() | number.digits) &
             mask;
    }
    uint64_t value = number.zero ? 0 : number.digits | uint64_t{1} << number.size;
    if (number.negative) value = ~value + 1;
    return (value + static_cast<uint64_t>(centre)) & mask;
  }
};

}  // namespace edgesmith::pack

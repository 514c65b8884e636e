// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "edgesmith/base/text.h"
#include "edgesmith/runtime/executor.h"
#include "runtime/isa.h"

namespace edgesmith::runtime {

namespace {

constexpr std::array kAll = {Arithmetic::floating, Arithmetic::fake_quant, Arithmetic::exact_i32,
                             Arithmetic::x86_u8s8_saturating, Arithmetic::tflite};
constexpr std::string_view kOrt = "ort-x86";

}  // namespace

std::string_view arithmetic_word(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::floating: return "float";
    case Arithmetic::fake_quant: return "fake-quant";
    case Arithmetic::exact_i32: return "exact-i32";
    case Arithmetic::x86_u8s8_saturating: return "x86-u8s8-saturating";
    case Arithmetic::tflite: return "tflite";
  }
  return "float";
}

std::vector<std::string> arithmetic_words() {
  std::vector<std::string> words;
  for (const Arithmetic arithmetic : kAll) words.emplace_back(arithmetic_word(arithmetic));
  words.emplace_back(kOrt);
  return words;
}

Result<Arithmetic> find_arithmetic(std::string_view word) {
  if (word == kOrt) {
    const bool vnni = cpu_has(Isa::avx512vnni) || cpu_has(Isa::avxvnni);
    return vnni ? Arithmetic::exact_i32 : Arithmetic::x86_u8s8_saturating;
  }
  for (const Arithmetic arithmetic : kAll) {
    if (word == arithmetic_word(arithmetic)) return arithmetic;
  }
  return usage_error("unknown arithmetic '" + std::string(word) + "'", "known are " + join(arithmetic_words(), ", "));
}

}  // namespace edgesmith::runtime

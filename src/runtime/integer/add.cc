// SPDX-License-Identifier: Apache-2.0
#include "runtime/integer/add.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/integer/broadcast.h"
#include "runtime/integer/plain.h"

namespace edgesmith::runtime::integer {

namespace {

constexpr int kAddShift = 20;  // TensorFlow Lite's left_shift

// An operand in units of the common scale.
int32_t part(int32_t code, int32_t zero_point, const Requantize& to) {
  return fixed_point_product((code - zero_point) * (1 << kAddShift), to.multiplier[0], to.shift[0]);
}

}  // namespace

AddConstants add_constants(const Form& form) {
  const CodeType &a = *form.operands[0], &b = *form.operands[1], &result = form.result;
  AddConstants out = {};
  out.ratio_a = a.scale / result.scale;
  out.ratio_b = b.scale / result.scale;
  const auto zero_a = static_cast<float>(a.zero_point), zero_b = static_cast<float>(b.zero_point);
  const float shift = std::fma(out.ratio_a, zero_a, out.ratio_b * zero_b);
  out.fixed = static_cast<float>(result.zero_point) - shift;
  out.lo = static_cast<float>(result.lo);
  out.hi = static_cast<float>(result.hi);
  return out;
}

int32_t AddConstants::code(int32_t a, int32_t b) const {
  const float sum = std::fma(static_cast<float>(a), ratio_a, std::fma(static_cast<float>(b), ratio_b, fixed));
  return static_cast<int32_t>(std::nearbyint(std::clamp(sum, lo, hi)));
}

FixedPointAdd fixed_point_add(const Form& form) {
  const CodeType &a = *form.operands[0], &b = *form.operands[1];
  CodeType common;
  common.scale = 2 * std::max(a.scale, b.scale);
  CodeType result = form.result;
  FixedPointAdd out = {a.zero_point,
                       b.zero_point,
                       make_requantize({a.scale}, common, true),
                       make_requantize({b.scale}, common, true),
                       {}};
  out.result = make_requantize({common.scale / static_cast<float>(1 << kAddShift)}, result, true);
  return out;
}

int32_t FixedPointAdd::part_a(int32_t code) const { return part(code, zero_point_a, a); }
int32_t FixedPointAdd::part_b(int32_t code) const { return part(code, zero_point_b, b); }

int32_t FixedPointAdd::code(int32_t code_a, int32_t code_b) const {
  return result.fixed_code(part_a(code_a) + part_b(code_b), 0);
}

bool is_add(const Form& form) { return form.node->is(ir::OpKind::add); }

Status run_add(const KernelCall& call) {
  const Form& form = static_cast<const PlainForm&>(*call.prepared).form;
  if (form.fixed_point()) {
    // Both parts are functions of one code, from -128 to 255.
    const FixedPointAdd constants = fixed_point_add(form);
    std::array<int32_t, 384> parts_a, parts_b;
    for (int32_t i = 0; i < 384; ++i) {
      parts_a[static_cast<size_t>(i)] = constants.part_a(i - 128);
      parts_b[static_cast<size_t>(i)] = constants.part_b(i - 128);
    }
    return for_each_pair(call, [&](int32_t a, int32_t b) {
      return constants.result.fixed_code(parts_a[static_cast<size_t>(a + 128)] + parts_b[static_cast<size_t>(b + 128)],
                                         0);
    });
  }
  const AddConstants constants = add_constants(form);
  return for_each_pair(call, [&](int32_t a, int32_t b) { return constants.code(a, b); });
}

}  // namespace edgesmith::runtime::integer

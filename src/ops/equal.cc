// SPDX-License-Identifier: Apache-2.0
// Equal: y = (a == b). Operands of one type, numpy broadcasting, result bool; no attributes. NaN compares false. Types:
// bool, every integer of 8 to 64 bits, f16, bf16, f32, f64; not strings.
// Shape arithmetic (contents 0 and 1): numbers compare, a symbol equals itself and no negative number.
#include "ops/broadcast.h"

namespace edgesmith::ops::equal_op {
namespace {

Element equal_elements(const Element& a, const Element& b, bool) {
  if (a.number && b.number) return {.number = *a.number == *b.number, .symbol = {}};
  if (a.same_symbol(b)) return {.number = 1, .symbol = {}};
  const bool symbol_and_negative =
      (!a.symbol.empty() && b.number && *b.number < 0) || (!b.symbol.empty() && a.number && *a.number < 0);
  return symbol_and_negative ? Element{.number = 0, .symbol = {}} : Element{};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  auto types = infer_comparison(node, context);
  if (types.ok()) infer_binary_contents(node, context, equal_elements);
  return types;
}

}  // namespace

extern const OpInfo equal_info =
    with_infer(comparison_op<std::equal_to<>, NumberOrBoolTypes>(ir::OpKind::equal), infer);

}  // namespace edgesmith::ops::equal_op

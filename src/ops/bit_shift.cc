// SPDX-License-Identifier: Apache-2.0
// bit_shift: x shifted by as many bits as the second operand says, to the side that the attribute `direction` names
// (LEFT or RIGHT; required); operands broadcast. Shifting all bits out gives 0. u8, u16, u32, u64.
#include <string>

#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/gradient_rules.h"

namespace edgesmith::ops::bit_shift_op {
namespace {

struct Shift {
  bool left;
  explicit Shift(const ir::Node& node) : left(node.attributes().get_string("direction", "") == "LEFT") {}
  template <typename T>
  T operator()(T value, T bits) const {
    if (bits >= sizeof(T) * 8) return T{0};
    return static_cast<T>(left ? static_cast<uint64_t>(value) << bits : static_cast<uint64_t>(value) >> bits);
  }
};

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"direction", AttributeKind::text}}));
  const std::string direction = node.attributes().get_string("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") {
    return invalid_error("direction is '" + direction + "', must be LEFT or RIGHT");
  }
  return check_all_same_dtype(node);
}

}  // namespace

extern const OpInfo bit_shift_info = {.kind = ir::OpKind::bit_shift,
                                      .min_inputs = 2,
                                      .max_inputs = 2,
                                      .min_outputs = 1,
                                      .max_outputs = 1,
                                      .verify = verify,
                                      .infer = infer_broadcast,
                                      .eval = evaluate_binary<Shift, UnsignedTypes>,
                                      .cost = nullptr,
                                      .quant = nullptr,
                                      .no_gradient = kIntegerCodes};

}  // namespace edgesmith::ops::bit_shift_op

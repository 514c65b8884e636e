// SPDX-License-Identifier: Apache-2.0
// mul on codes: the product of the codes less their zero points is a sum to be requantized.
#include "runtime/integer/broadcast.h"
#include "runtime/integer/plain.h"

namespace edgesmith::runtime::integer {

bool is_mul(const Form& form) { return form.node->is(ir::OpKind::mul); }

Status run_mul(const KernelCall& call) {
  const Form& form = static_cast<const PlainForm&>(*call.prepared).form;
  const CodeType &a = *form.operands[0], &b = *form.operands[1];
  const Requantize requantize = make_requantize({a.scale * b.scale}, form.result, form.fixed_point());
  return for_each_pair(
      call, [&](int32_t x, int32_t y) { return requantize.code((x - a.zero_point) * (y - b.zero_point), 0); });
}

}  // namespace edgesmith::runtime::integer

// SPDX-License-Identifier: Apache-2.0
#include "ops/scatter_gradient.h"

#include <limits>
#include <string>

#include "ops/places.h"

namespace edgesmith::ops {
namespace {

using ir::OpKind;

// A scatter at hand: its operands as terms, and its places to gather from and to scatter to.
struct Scatter {
  GradientBuilder& build;
  const ir::Node& node;
  Term x, updates, y, dy;

  // What stands at the places, in the dims of the updates.
  Term gather(const Term& from) const {
    const bool by_tuples = node.is(OpKind::scatter_nd);
    ir::Node& made =
        build.append_node(by_tuples ? OpKind::gather_nd : OpKind::gather_elements, {from.value, node.input(1)}, 1);
    if (!by_tuples) made.attributes().set("axis", axis());
    return {&build, &made.output(), from.dtype};
  }

  Term scatter(const Term& to, const Term& what, const char* reduction) const {
    ir::Node& made =
        build.append_node(node.op(), {to.value, node.input(1), what.value}, 1, {{"reduction", std::string(reduction)}});
    if (node.is(OpKind::scatter_elements)) made.attributes().set("axis", axis());
    return {&build, &made.output(), to.dtype};
  }

  // One whole number in the dims of x.
  Term everywhere(int64_t number) const { return expand_like(build.term(build.ints({number})), *x.value); }

  int64_t axis() const { return node.attributes().get_int("axis", 0); }
};

// The number of the update that stayed, 0 where none was put.
Term last_updates(const Scatter& s) { return s.scatter(s.everywhere(0), numbered(s.build, *s.updates.value), "none"); }

// The number of the first update that equals the result, 0 where x does.
Term winning_updates(const Scatter& s) {
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  const Term none = s.build.term(s.build.ints({kNone})), zero = s.build.term(s.build.ints({0}));
  const Term candidates = where(equal(s.updates, s.gather(s.y)), numbered(s.build, *s.updates.value), none);
  const Term first = s.scatter(s.everywhere(kNone), candidates, "min");
  return where(equal(s.x, s.y), zero, first);
}

// The product of the other factors at its place: the product of those that are not 0, over the update itself, unless
// another one is 0.
Term other_factors(const Scatter& s) {
  const ir::DType dtype = s.x.dtype;
  const Term one = s.build.number(1, dtype);
  const auto count_zeros = [&](const Term& term) { return cast(equal(term, 0), dtype); };
  const Term zeros = s.gather(s.scatter(count_zeros(s.x), count_zeros(s.updates), "add"));
  const Term own = where(equal(s.updates, 0), one, s.updates);
  const Term product = s.gather(s.scatter(where(equal(s.x, 0), one, s.x), own, "mul"));
  return where(equal(zeros - count_zeros(s.updates), 0), product / own, 0);
}

}  // namespace

Gradients scatter_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  const auto reduction = reduction_named(node.attributes().get_string("reduction", "none"));
  if (!reduction) return reduction.error();
  ir::Value &x = *node.input(0), &updates = *node.input(2);
  const Scatter s = {build,
                     node,
                     build.term(x),
                     build.term(updates),
                     build.term(node.output()),
                     build.term(*outputs[0], x.type().dtype)};
  Term dx = s.dy, dupdates;
  switch (*reduction) {
    case Reduction::none:
      if (build.wants(0)) dx = s.scatter(s.dy, zeros_like(build, updates), "none");
      if (build.wants(2)) dupdates = add_at_numbers(s.dy, last_updates(s), updates);
      break;
    case Reduction::add:
      if (build.wants(2)) dupdates = s.gather(s.dy);
      break;
    case Reduction::mul:
      if (build.wants(0)) dx = s.scatter(s.dy, s.updates, "mul");
      if (build.wants(2)) dupdates = s.gather(s.dy) * other_factors(s);
      break;
    case Reduction::max:
    case Reduction::min:
      if (build.wants(0)) dx = where(equal(s.x, s.y), s.dy, 0);
      if (build.wants(2)) dupdates = add_at_numbers(s.dy, winning_updates(s), updates);
      break;
  }
  return std::vector<ir::Value*>{dx.value, nullptr, dupdates.value};
}

}  // namespace edgesmith::ops

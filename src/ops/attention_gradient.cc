// SPDX-License-Identifier: Apache-2.0
// Everything as [batch, heads, steps, size], heads of K and V repeated for the heads of Q that share them. With p the
// probabilities and s the scores behind softcap and mask:
//
//   dv = p^T dy,  dp = dy v^T,  ds = p * (dp - sum over the row of p * dp),  dq = scale * ds k,  dk = ds^T (scale * q)
//
// What attn_mask or the order of the steps leaves out has the score -infinity; a step that sees nothing has zeros.
#include "ops/attention_gradient.h"

#include <cmath>
#include <limits>

#include "ops/gradient_rules.h"

namespace edgesmith::ops {
namespace {

using ir::OpKind;

enum Operand { kQ, kK, kV, kMask, kPastKey, kPastValue, kSteps };

Term transpose(const Term& a, const ir::Ints& perm) {
  return a.build->term(a.build->append(OpKind::transpose, {a.value}, {{"perm", perm}}), a.dtype);
}
Term turned(const Term& a) { return transpose(a, {0, 1, 3, 2}); }
Term mat_mul(const Term& a, const Term& b) { return apply(OpKind::mat_mul, a, b); }
Term slice(const Term& a, ir::Value& start, ir::Value& end, int64_t axis) {
  GradientBuilder& build = *a.build;
  return build.term(build.append(OpKind::slice, {a.value, &start, &end, &build.ints({axis})}), a.dtype);
}
// The sum of what is there.
Term plus(const Term& a, const Term& b) { return a.value == nullptr ? b : b.value == nullptr ? a : a + b; }
Term both(const Term& a, const Term& b) {
  return a.value == nullptr ? b : b.value == nullptr ? a : apply(OpKind::logical_and, a, b);
}

class AttentionGradient {
 public:
  AttentionGradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs)
      : build_(build), node_(node), outputs_(outputs), dtype_(node.input(kQ)->type().dtype) {}

  Gradients run() {
    EDGESMITH_TRY(find_heads());
    const auto scale = find_scale();
    if (!scale) return scale.error();
    const Term q = by_heads(kQ, build_.term(*node_.input(kQ))) * *scale;
    const Term keys = with_past(kK, kPastKey), values = with_past(kV, kPastValue);
    const Term k = repeated(keys), v = repeated(values);
    Term scores = mat_mul(q, turned(k)), bend;  // bend: tanh of softcap
    const auto cap = static_cast<double>(node_.attributes().get_float("softcap", 0));
    if (cap > 0) {
      bend = apply(OpKind::tanh, scores / cap);
      scores = bend * cap;
    }
    find_mask();
    const Term p = probabilities(scores);

    Term dv, dp = stage_gradient(3);
    if (outputs_[0] != nullptr) {
      const Term dy = by_heads(kQ, build_.term(*outputs_[0], dtype_));
      if (build_.wants(kV) || build_.wants(kPastValue)) dv = mat_mul(turned(p), dy);
      dp = plus(mat_mul(dy, turned(v)), dp);
    }
    Term ds;
    if (dp.value != nullptr) {
      const Term weighted = dp * p;
      ds = weighted - p * reduce_sum(weighted, {3}, /*keep_dims=*/true);
    }
    Term biased = stage_gradient(2);
    if (biased.value != nullptr && seen_.value != nullptr) biased = where(seen_, biased, 0);
    ds = plus(ds, biased);
    std::vector<ir::Value*> gradients(static_cast<size_t>(node_.num_inputs()));
    if (build_.wants(kMask) && ds.value != nullptr) gradients[kMask] = mask_gradient(ds).value;
    ds = plus(ds, stage_gradient(1));
    if (cap > 0 && ds.value != nullptr) ds = ds * (1 - bend * bend);
    ds = plus(ds, stage_gradient(0));

    Term dk;
    if (ds.value != nullptr) {
      if (build_.wants(kQ)) gradients[kQ] = laid_out(kQ, mat_mul(ds, k) * *scale).value;
      if (build_.wants(kK) || build_.wants(kPastKey)) dk = mat_mul(turned(ds), q);
    }
    give(gradients, kK, kPastKey, plus(shared(dk, kK), result_gradient(1)));
    give(gradients, kV, kPastValue, plus(shared(dv, kV), result_gradient(2)));
    return gradients;
  }

 private:
  bool flat() const { return node_.input(kQ)->type().rank() == 3; }
  int steps_axis() const { return flat() ? 1 : 2; }
  int64_t heads_attribute(int operand) const {
    return node_.attributes().get_int(operand == kQ ? "q_num_heads" : "kv_num_heads", 0);
  }
  ir::Dim heads(int operand) const {
    return flat() ? ir::Dim(heads_attribute(operand)) : (*node_.input(operand)->type().shape)[1];
  }

  // Which head of K and V each head of Q reads, when not its own.
  Status find_heads() {
    const ir::Dim own = heads(kQ), others = heads(kK);
    if (own.same_as(others)) return {};
    if (!own.known() || !others.known() || others.value() == 0 || own.value() % others.value() != 0) {
      return unsupported_error(
          "heads of Q and K are " + own.text() + " and " + others.text() + ", of which its gradient needs the ratio",
          "declare the shapes of the model's inputs");
    }
    for (int64_t h = 0; h < own.value(); ++h) heads_read_.push_back(h / (own.value() / others.value()));
    return {};
  }

  Result<double> find_scale() const {
    if (node_.attributes().has("scale")) return static_cast<double>(node_.attributes().get_float("scale", 1));
    const ir::Dim& width = node_.input(kQ)->type().shape->back();
    const int64_t parts = flat() ? heads_attribute(kQ) : 1;
    if (!width.known() || width.value() < parts) {
      return unsupported_error("the size of a head, which its gradient needs for the scale, is not known",
                               "declare the shapes of the model's inputs");
    }
    return static_cast<double>(static_cast<float>(1 / std::sqrt(static_cast<double>(width.value() / parts))));
  }

  // A term that lies as operand `like` does as [batch, heads, steps, size], and back.
  Term by_heads(int like, const Term& a) {
    if (!flat()) return a;
    ir::Value& dims = build_.ints({0, 0, heads_attribute(like), -1});
    return transpose(build_.term(build_.append(OpKind::reshape, {a.value, &dims}), a.dtype), {0, 2, 1, 3});
  }
  Term laid_out(int operand, const Term& a) {
    return flat() ? reshape_like(transpose(a, {0, 2, 1, 3}), *node_.input(operand)) : a;
  }

  // K or V behind the past.
  Term with_past(int operand, int past) {
    const Term now = by_heads(operand, build_.term(*node_.input(operand)));
    ir::Value* before = node_.input(past);
    if (before == nullptr) return now;
    return build_.term(build_.append(OpKind::concat, {before, now.value}, {{"axis", int64_t{2}}}), dtype_);
  }
  // And from their gradient to those of both.
  void give(std::vector<ir::Value*>& gradients, int operand, int past, const Term& gradient) {
    if (gradient.value == nullptr) return;
    ir::Value* before = node_.input(past);
    Term now = gradient;
    if (before != nullptr) {
      ir::Value& steps = build_.size_of(*before, 2);
      if (build_.wants(past)) {
        gradients[static_cast<size_t>(past)] = slice(gradient, build_.ints({0}), steps, 2).value;
      }
      now = slice(gradient, steps, build_.ints({std::numeric_limits<int64_t>::max()}), 2);
    }
    if (build_.wants(operand)) gradients[static_cast<size_t>(operand)] = laid_out(operand, now).value;
  }

  // K or V with a head for each of Q, and back: the sum of the heads that share one.
  Term repeated(const Term& a) {
    if (heads_read_.empty()) return a;
    ir::Value& heads = build_.ints(heads_read_);
    return build_.term(build_.append(OpKind::gather, {a.value, &heads}, {{"axis", int64_t{1}}}), a.dtype);
  }
  Term shared(const Term& a, int operand) {
    if (heads_read_.empty() || a.value == nullptr) return a;
    ir::Value &read = build_.ints(heads_read_), &count = build_.ints({heads(operand).value()});
    ir::Value& sum = build_.append(OpKind::gather_gradient, {a.value, &read, &count}, {{"axis", int64_t{1}}});
    return build_.term(sum, a.dtype);
  }

  Term result_gradient(size_t index) const {
    if (index >= outputs_.size() || outputs_[index] == nullptr) return {};
    return build_.term(*outputs_[index], dtype_);
  }
  // What comes in through the products shown, when they are those of this stage.
  Term stage_gradient(int64_t stage) const {
    return node_.attributes().get_int("qk_matmul_output_mode", 0) == stage ? result_gradient(3) : Term{};
  }

  // The steps of K with the past: i64 [1].
  ir::Value& all_steps() {
    ir::Value &now = build_.size_of(*node_.input(kK), steps_axis()), *past = node_.input(kPastKey);
    if (past == nullptr) return now;
    ir::Value& before = build_.size_of(*past, 2);
    if (now.constant() != nullptr && before.constant() != nullptr) {
      return build_.ints({now.constant()->to_int64s()[0] + before.constant()->to_int64s()[0]});
    }
    return build_.append(OpKind::add, {&before, &now});
  }

  // Which steps of K a step of Q sees by their order: broadcasts to the scores; null: all.
  Term seen_by_order() {
    const bool causal = node_.attributes().get_int("is_causal", 0) != 0;
    const int64_t left = node_.attributes().get_int("left_window_size", -1);
    const int64_t right = node_.attributes().get_int("right_window_size", -1);
    ir::Value *counted = node_.input(kSteps), *past = node_.input(kPastKey);
    const auto index = [&](ir::Value& value) { return build_.term(value, ir::DType::i64); };
    Term seen, columns;
    if (counted != nullptr || causal || left >= 0 || right >= 0) {
      columns = build_.term(positions(build_, all_steps()), ir::DType::i64);
    }
    Term offset = past != nullptr ? index(build_.size_of(*past, 2)) : index(build_.ints({0}));
    if (counted != nullptr) {
      Term end = unsqueeze(cast(build_.term(*counted), ir::DType::i64), {1, 2, 3});
      end = apply(OpKind::max, apply(OpKind::min, end, index(all_steps())), index(build_.ints({0})));
      seen = less(columns, end);
      offset = end - index(build_.size_of(*node_.input(kQ), steps_axis()));
    }
    if (!causal && left < 0 && right < 0) return seen;
    const Term rows = unsqueeze(positions_along(build_, *node_.input(kQ), steps_axis()), {1});
    const Term ahead = columns - (rows + offset);
    const auto whole = [&](int64_t number) { return index(build_.ints({number})); };
    if (causal) seen = both(seen, less(ahead, whole(1)));
    if (left >= 0) seen = both(seen, greater(ahead, whole(-left - 1)));
    if (right >= 0) seen = both(seen, less(ahead, whole(right + 1)));
    empty_rows_ = counted != nullptr || left >= 0;
    return seen;
  }

  // attn_mask as long as K; what it does not reach is left out.
  Term whole_mask() {
    ir::Value& mask = *node_.input(kMask);
    const Term own = build_.term(mask);
    const int rank = mask.type().rank();
    const ir::Dim& length = mask.type().shape->back();
    const ir::Value *steps = &all_steps(), *past = node_.input(kPastKey);
    const ir::Dim& now = (*node_.input(kK)->type().shape)[static_cast<size_t>(steps_axis())];
    const bool same = steps->constant() != nullptr
                          ? length.known() && length.value() == steps->constant()->to_int64s()[0]
                          : past == nullptr && length.same_as(now);
    if (same) return own;
    shorter_ = true;
    ir::Value& missing = build_.append(OpKind::sub, {&all_steps(), &build_.size_of(mask, rank - 1)});
    const ir::Ints none(static_cast<size_t>(2 * rank - 1), 0);
    ir::Value& pads = build_.append(OpKind::concat, {&build_.ints(none), &missing}, {{"axis", int64_t{0}}});
    ir::Value* fill = own.dtype == ir::DType::boolean ? &build_.graph().add_constant(ir::Tensor::scalar<bool>(false))
                                                      : build_.number(kOut, own.dtype).value;
    return build_.term(build_.append(OpKind::pad, {&mask, &pads, fill}), own.dtype);
  }

  // seen_ and added_ of order and mask.
  void find_mask() {
    seen_ = seen_by_order();
    if (node_.input(kMask) == nullptr) return;
    const Term mask = whole_mask();
    empty_rows_ = true;
    if (mask.dtype == ir::DType::boolean) {
      seen_ = both(seen_, mask);
      return;
    }
    added_ = cast(mask, dtype_);
    seen_ = both(seen_, greater(added_, kOut));
  }

  Term probabilities(const Term& scores) {
    Term biased = added_.value != nullptr ? scores + added_ : scores;
    if (seen_.value != nullptr) biased = where(seen_, biased, kOut);
    const Term p = build_.term(build_.append(OpKind::softmax, {biased.value}, {{"axis", int64_t{-1}}}), dtype_);
    return seen_.value != nullptr && empty_rows_ ? where(seen_, p, 0) : p;
  }

  Term mask_gradient(const Term& ds) {
    ir::Value& mask = *node_.input(kMask);
    const ir::Shape& q = *node_.input(kQ)->type().shape;
    ir::Shape dims = {q[0], heads(kQ), q[static_cast<size_t>(steps_axis())], mask.type().shape->back()};
    Term own = ds;
    if (shorter_) own = slice(ds, build_.ints({0}), build_.size_of(mask, mask.type().rank() - 1), 3);
    return cast(sum_to(own, dims, mask), mask.type().dtype);
  }

  static constexpr double kOut = -std::numeric_limits<double>::infinity();

  GradientBuilder& build_;
  const ir::Node& node_;
  std::span<ir::Value* const> outputs_;
  ir::DType dtype_;
  ir::Ints heads_read_;      ///< by head of Q; empty: its own
  Term seen_, added_;        ///< which steps of K are seen (null: all); what is added to the scores (null: nothing)
  bool empty_rows_ = false;  ///< whether a step may see nothing
  bool shorter_ = false;     ///< whether attn_mask may not reach all steps of K
};

}  // namespace

Gradients attention_gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  return AttentionGradient(build, node, outputs).run();
}

}  // namespace edgesmith::ops

// SPDX-License-Identifier: Apache-2.0
// attention: y = softmax(scale * Q K^T + bias) V for every head (Vaswani et al. 2017; as in ONNX's opset 25).
//
// Operands: Q, K, V, each [batch, heads, steps, size] or [batch, steps, heads * size] (then the attributes q_num_heads
// and kv_num_heads are required); optional: attn_mask, which broadcasts to [batch, heads, steps of Q, steps of K]
// (bool: true takes part; or numbers to add; a shorter last dim leaves the rest out); past_key and past_value [batch,
// heads, past steps, size], which come before K and V; nonpad_kv_seqlen i64 [batch], how many steps of K count. Fewer
// heads of K and V than of Q: neighbouring heads of Q share one. Outputs: y like Q; keys and values with the past,
// [batch, heads, steps, size]; and products [batch, heads, steps of Q, steps of K] of the stage that attribute
// qk_matmul_output_mode names: 0 scaled, 1 after softcap, 2 with the bias, 3 probabilities.
//
// Attributes: scale (default 1 / sqrt(size)), is_causal (a step of Q sees the steps of K up to its own, the last ones
// being aligned with the cache), left_window_size and right_window_size (how far it sees, -1: no limit), softcap c (c *
// tanh(x / c), 0: none), softmax_precision (everything is computed in f64). A step that sees nothing gives zeros. f32,
// f64; f16 and bf16 through f32.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ops/attention_gradient.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"
#include "ops/slices.h"

namespace edgesmith::ops::attention_op {
namespace {

constexpr int64_t kMostHeads = 1 << 20;
constexpr double kOut = -std::numeric_limits<double>::infinity();
enum Operand { kQ, kK, kV, kMask, kPastKey, kPastValue, kSteps };

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"is_causal", AttributeKind::integer},
                                        {"kv_num_heads", AttributeKind::integer},
                                        {"left_window_size", AttributeKind::integer},
                                        {"q_num_heads", AttributeKind::integer},
                                        {"qk_matmul_output_mode", AttributeKind::integer},
                                        {"right_window_size", AttributeKind::integer},
                                        {"scale", AttributeKind::real},
                                        {"softcap", AttributeKind::real},
                                        {"softmax_precision", AttributeKind::integer}}));
  EDGESMITH_TRY(check_same_dtype(node, {kQ, kK, kPastKey}));
  EDGESMITH_TRY(check_same_dtype(node, {kV, kPastValue}));
  const int rank = node.input(kQ)->type().rank();
  for (const int operand : {kQ, kK, kV}) {
    const int own = node.input(operand)->type().rank();
    if (own < 0 || own == 3 || own == 4) continue;
    return invalid_error(std::string(1, "QKV"[operand]) + " has rank " + std::to_string(own) + ", must be 3 or 4");
  }
  for (const int operand : {kK, kV}) {
    const int other = node.input(operand)->type().rank();
    if (rank < 0 || other < 0 || other == rank) continue;
    return invalid_error("Q, K and V have ranks " + std::to_string(rank) + " and " + std::to_string(other));
  }
  const ir::Attributes& attributes = node.attributes();
  const int64_t heads_q = attributes.get_int("q_num_heads", 0), heads_kv = attributes.get_int("kv_num_heads", 0);
  if (std::max(heads_q, heads_kv) > kMostHeads) {
    return invalid_error(std::to_string(std::max(heads_q, heads_kv)) + " heads are too many");
  }
  if (rank == 3 && (heads_q <= 0 || heads_kv <= 0)) return invalid_error("q_num_heads and kv_num_heads are missing");
  const int64_t mode = attributes.get_int("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) return invalid_error("qk_matmul_output_mode is " + std::to_string(mode));
  if ((node.input(kPastKey) == nullptr) != (node.input(kPastValue) == nullptr)) {
    return invalid_error("past_key and past_value must be given together");
  }
  if (node.input(kSteps) != nullptr && node.input(kPastKey) != nullptr) {
    return invalid_error("nonpad_kv_seqlen and past_key exclude each other");
  }
  return {};
}

ir::Dim quotient(const ir::Dim& dim, int64_t by) {
  return dim.known() && by > 0 && dim.value() % by == 0 ? ir::Dim(dim.value() / by) : ir::Dim();
}

// The shape of operand `index` as [batch, heads, steps, size].
ir::Shape by_heads(const ir::Node& node, int index) {
  const auto& shape = node.input(index)->type().shape;
  if (!shape) return ir::Shape(4);
  if (shape->size() == 4) return *shape;
  const int64_t heads = node.attributes().get_int(index == kQ ? "q_num_heads" : "kv_num_heads", 0);
  return {(*shape)[0], ir::Dim(heads), (*shape)[1], quotient((*shape)[2], heads)};
}

// Steps of K or V with the past.
ir::Dim all_steps(const ir::Node& node, int past, const ir::Dim& steps) {
  if (node.input(past) == nullptr) return steps;
  const auto& shape = node.input(past)->type().shape;
  if (!shape || shape->size() != 4 || !(*shape)[2].known() || !steps.known()) return {};
  return {(*shape)[2].value() + steps.value()};
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext&) {
  const ir::Type& q = node.input(kQ)->type();
  const ir::Shape heads_q = by_heads(node, kQ);
  ir::Shape key = by_heads(node, kK), value = by_heads(node, kV);
  key[2] = all_steps(node, kPastKey, key[2]);
  value[2] = all_steps(node, kPastValue, value[2]);
  ir::Type y{q.dtype, std::nullopt};
  if (q.rank() == 4) y.shape = {heads_q[0], heads_q[1], heads_q[2], value[3]};
  if (q.rank() == 3) {
    const ir::Dim width = value[3].known() ? ir::Dim(value[3].value() * heads_q[1].value()) : ir::Dim();
    y.shape = {heads_q[0], heads_q[2], width};
  }
  std::vector<ir::Type> types = {y,
                                 {node.input(kK)->type().dtype, key},
                                 {node.input(kV)->type().dtype, value},
                                 {q.dtype, ir::Shape{heads_q[0], heads_q[1], heads_q[2], key[2]}}};
  types.resize(static_cast<size_t>(node.num_outputs()));
  return types;
}

// An operand as [batch, heads, steps, size], in whichever order it lies.
template <typename T>
struct Heads {
  const T* data = nullptr;
  int64_t batch = 0, heads = 0, steps = 0, size = 0;
  bool flat = false;  // [batch, steps, heads * size]

  const T* at(int64_t b, int64_t h, int64_t s) const {
    return data + (flat ? ((b * steps + s) * heads + h) * size : ((b * heads + h) * steps + s) * size);
  }
};

template <typename T>
Result<Heads<T>> heads_of(const ir::Tensor& x, int64_t heads) {
  const ir::Dims& dims = x.dims();
  if (x.dtype() != ir::dtype_of<T>()) return invalid_error("Q, K and V differ in element type");
  const auto data = x.data<T>().data();
  if (dims.size() == 4) return Heads<T>{data, dims[0], dims[1], dims[2], dims[3], false};
  if (dims.size() != 3 || heads <= 0 || dims[2] % heads != 0) {
    return invalid_error("an operand is " + x.type().text() + " for " + std::to_string(heads) + " heads");
  }
  return Heads<T>{data, dims[0], heads, dims[1], dims[2] / heads, true};
}

// K or V behind the past, as [batch, heads, steps, size].
template <typename T>
Result<ir::Tensor> with_past(const Heads<T>& now, const ir::Tensor* past) {
  int64_t before = 0;
  if (past != nullptr) {
    const ir::Dims& dims = past->dims();
    if (past->dtype() != ir::dtype_of<T>() || dims.size() != 4 || dims[0] != now.batch || dims[1] != now.heads ||
        dims[3] != now.size) {
      return invalid_error("the past is " + past->type().text() + ", must be [" + std::to_string(now.batch) + "," +
                           std::to_string(now.heads) + ",?," + std::to_string(now.size) + "]");
    }
    before = dims[2];
  }
  auto all = make_tensor(ir::dtype_of<T>(), {now.batch, now.heads, before + now.steps, now.size});
  if (!all) return all;
  T* to = all->template mutable_data<T>().data();
  const T* from = past != nullptr ? past->data<T>().data() : nullptr;
  for (int64_t b = 0; b < now.batch; ++b) {
    for (int64_t h = 0; h < now.heads; ++h) {
      if (from != nullptr) to = std::copy_n(from + (b * now.heads + h) * before * now.size, before * now.size, to);
      for (int64_t s = 0; s < now.steps; ++s) to = std::copy_n(now.at(b, h, s), now.size, to);
    }
  }
  return all;
}

// What is added to the products, from attn_mask alone.
struct Mask {
  std::vector<double> numbers;
  int64_t strides[3] = {0, 0, 0};  // over batch, heads, steps of Q
  int64_t length = 0;              // of its last dim

  double at(int64_t b, int64_t h, int64_t i, int64_t j) const {
    if (numbers.empty()) return 0;
    if (j >= length) return kOut;
    return numbers[static_cast<size_t>(b * strides[0] + h * strides[1] + i * strides[2] + j)];
  }
};

Result<Mask> mask_of(const ir::Tensor* tensor, const ir::Dims& products) {
  Mask mask;
  if (tensor == nullptr) return mask;
  const ir::Dims& dims = tensor->dims();
  bool fits = !dims.empty() && dims.size() <= 4 && dims.back() <= products[3] && tensor->size() > 0;
  if (fits) {
    mask.length = dims.back();
    int64_t stride = mask.length;
    for (size_t back = 1; back < dims.size(); ++back) {
      const int64_t dim = dims[dims.size() - 1 - back];
      fits = fits && (dim == 1 || dim == products[3 - back]);
      mask.strides[3 - back] = dim == 1 ? 0 : stride;
      stride *= dim;
    }
  }
  if (!fits) {
    return invalid_error("attn_mask is " + tensor->type().text() + " for products of " +
                         ir::type_of(ir::DType::f32, products).text());
  }
  if (tensor->dtype() == ir::DType::boolean) {
    for (const bool part : tensor->data<bool>()) mask.numbers.push_back(part ? 0 : kOut);
  } else if (tensor->dtype() == ir::DType::f64) {
    const auto data = tensor->data<double>();
    mask.numbers.assign(data.begin(), data.end());
  } else if (ir::is_float(tensor->dtype())) {
    const std::vector<float> data = tensor->to_floats();
    mask.numbers.assign(data.begin(), data.end());
  } else {
    return unsupported_dtype(tensor->dtype());
  }
  return mask;
}

// Which steps of K a step of Q sees, beside the mask.
struct Sight {
  bool causal = false;
  int64_t left = -1, right = -1;
  std::vector<int64_t> offset, end;  // by batch: steps of K before the first of Q; how many steps of K count

  bool sees(int64_t b, int64_t i, int64_t j) const {
    const auto at = static_cast<size_t>(b);
    const int64_t ahead = j - (i + offset[at]);
    return j < end[at] && (!causal || ahead <= 0) && (left < 0 || -ahead <= left) && (right < 0 || ahead <= right);
  }
};

Result<Sight> sight_of(const ir::Node& node, std::span<const ir::Tensor* const> inputs, const ir::Dims& products) {
  Sight sight;
  sight.causal = node.attributes().get_int("is_causal", 0) != 0;
  sight.left = node.attributes().get_int("left_window_size", -1);
  sight.right = node.attributes().get_int("right_window_size", -1);
  const ir::Tensor* past = operand(inputs, kPastKey);
  const auto batch = static_cast<size_t>(products[0]);
  sight.offset.assign(batch, past != nullptr ? past->dims()[2] : 0);
  sight.end.assign(batch, products[3]);
  if (const ir::Tensor* steps = operand(inputs, kSteps)) {
    const auto numbers = read_ints(*steps, "nonpad_kv_seqlen");
    if (!numbers) return numbers.error();
    if (numbers->size() != batch) {
      return invalid_error("nonpad_kv_seqlen is " + steps->type().text() + " for a batch of " + std::to_string(batch));
    }
    for (size_t b = 0; b < batch; ++b) {
      sight.end[b] = std::clamp<int64_t>((*numbers)[b], 0, products[3]);
      sight.offset[b] = sight.end[b] - products[2];
    }
  }
  return sight;
}

// Probabilities of products with their bias; zeros where everything is left out.
void softmax(std::vector<double>& row, bool left_out) {
  double largest = kOut, sum = 0;
  for (const double x : row) largest = std::max(largest, x);
  if (left_out || largest == kOut) {
    std::fill(row.begin(), row.end(), 0);
    return;
  }
  for (double& x : row) sum += x = std::exp(x - largest);
  for (double& x : row) x /= sum;
}

// row[j] = scale * the product of a step of Q with step j of K, in head `h` of K.
template <typename T>
void multiply(const T* query, const Heads<T>& k, int64_t b, int64_t h, double scale, std::vector<double>& row) {
  for (int64_t j = 0; j < k.steps; ++j) {
    const T* key = k.at(b, h, j);
    double product = 0;
    for (int64_t d = 0; d < k.size; ++d) product += static_cast<double>(query[d]) * static_cast<double>(key[d]);
    row[static_cast<size_t>(j)] = product * scale;
  }
}

// sum = the steps of V weighed by `row`.
template <typename T>
void weigh(const std::vector<double>& row, const Heads<T>& v, int64_t b, int64_t h, std::vector<double>& sum) {
  std::fill(sum.begin(), sum.end(), 0);
  for (int64_t j = 0; j < v.steps; ++j) {
    const double share = row[static_cast<size_t>(j)];
    if (share == 0) continue;
    const T* value = v.at(b, h, j);
    for (int64_t d = 0; d < v.size; ++d) sum[static_cast<size_t>(d)] += share * static_cast<double>(value[d]);
  }
}

template <typename T>
Result<std::vector<ir::Tensor>> attend(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Attributes& attributes = node.attributes();
  const int64_t kv_heads = attributes.get_int("kv_num_heads", 0);
  const auto q = heads_of<T>(*inputs[kQ], attributes.get_int("q_num_heads", 0));
  if (!q) return q.error();
  const auto k_now = heads_of<T>(*inputs[kK], kv_heads), v_now = heads_of<T>(*inputs[kV], kv_heads);
  if (!k_now) return k_now.error();
  if (!v_now) return v_now.error();
  auto keys = with_past(*k_now, operand(inputs, kPastKey)), values = with_past(*v_now, operand(inputs, kPastValue));
  if (!keys) return keys.error();
  if (!values) return values.error();
  const auto k = heads_of<T>(*keys, 0), v = heads_of<T>(*values, 0);
  if (k->batch != q->batch || v->batch != q->batch || k->heads != v->heads || k->heads == 0 ||
      q->heads % k->heads != 0 || k->steps != v->steps || k->size != q->size) {
    return invalid_error("Q, K and V do not fit: " + inputs[kQ]->type().text() + ", " + keys->type().text() + ", " +
                         values->type().text());
  }
  const ir::Dims products = {q->batch, q->heads, q->steps, k->steps};
  const auto mask = mask_of(operand(inputs, kMask), products);
  if (!mask) return mask.error();
  const auto sight = sight_of(node, inputs, products);
  if (!sight) return sight.error();
  auto y = make_tensor(ir::dtype_of<T>(), q->flat ? ir::Dims{q->batch, q->steps, q->heads * v->size}
                                                  : ir::Dims{q->batch, q->heads, q->steps, v->size});
  if (!y) return y.error();
  const bool shows = node.num_outputs() > 3;
  auto shown = make_tensor(ir::dtype_of<T>(), shows ? products : ir::Dims{0});
  if (!shown) return shown.error();
  const double scale = static_cast<double>(attributes.get_float(
      "scale", static_cast<float>(1 / std::sqrt(static_cast<double>(std::max<int64_t>(q->size, 1))))));
  const auto cap = static_cast<double>(attributes.get_float("softcap", 0));
  const int64_t mode = attributes.get_int("qk_matmul_output_mode", 0), share = q->heads / k->heads;
  T* to_shown = shown->template mutable_data<T>().data();
  T* to = y->template mutable_data<T>().data();
  std::vector<double> row(static_cast<size_t>(k->steps)), sum(static_cast<size_t>(v->size));
  for (int64_t b = 0; b < q->batch; ++b) {
    for (int64_t h = 0; h < q->heads; ++h) {
      for (int64_t i = 0; i < q->steps; ++i) {
        const auto show = [&](int64_t stage) {
          if (!shows || mode != stage) return;
          for (const double x : row) *to_shown++ = static_cast<T>(x);
        };
        multiply(q->at(b, h, i), *k, b, h / share, scale, row);
        show(0);
        if (cap > 0) {
          for (double& x : row) x = cap * std::tanh(x / cap);
        }
        show(1);
        bool left_out = true;
        for (int64_t j = 0; j < k->steps; ++j) {
          const double bias = sight->sees(b, i, j) ? mask->at(b, h, i, j) : kOut;
          left_out = left_out && bias == kOut;
          double& x = row[static_cast<size_t>(j)];
          x = bias == kOut ? kOut : x + bias;
        }
        show(2);
        softmax(row, left_out);
        show(3);
        weigh(row, *v, b, h / share, sum);
        T* result = to + (q->flat ? ((b * q->steps + i) * q->heads + h) * v->size
                                  : ((b * q->heads + h) * q->steps + i) * v->size);
        for (int64_t d = 0; d < v->size; ++d) result[d] = static_cast<T>(sum[static_cast<size_t>(d)]);
      }
    }
  }
  std::vector<ir::Tensor> outputs = {std::move(*y), std::move(*keys), std::move(*values), std::move(*shown)};
  outputs.resize(static_cast<size_t>(node.num_outputs()));
  return outputs;
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  return dispatch(FloatTypes{}, inputs[kQ]->dtype(), [&]<typename T>() { return attend<T>(node, inputs); });
}

Cost cost(const ir::Node& node) {
  const ir::Shape q = by_heads(node, kQ), key = by_heads(node, kK), value = by_heads(node, kV);
  Cost cost;
  cost.macs = 1;
  const ir::Dim steps = all_steps(node, kPastKey, key[2]);
  for (const ir::Dim& dim : {q[0], q[1], q[2], steps}) {
    if (dim.known() && __builtin_mul_overflow(cost.macs, dim.value(), &cost.macs)) cost.macs = INT64_MAX;
  }
  const int64_t sizes = (q[3].known() ? q[3].value() : 1) + (value[3].known() ? value[3].value() : 1);
  if (__builtin_mul_overflow(cost.macs, sizes, &cost.macs)) cost.macs = INT64_MAX;
  return cost;
}

// A head of K and V with all heads of Q that share it, where nothing else differs by head. Of 4-D operands heads are an
// axis, of 3-D ones the outer factor of the last.
std::optional<ChannelRelation> channels(const ir::Node& node, int axis) {
  const int rank = node.input(kQ)->type().rank();
  if (rank < 0 || axis != (rank == 4 ? 1 : 2) || node.input(kPastKey) != nullptr) return std::nullopt;
  const ir::Shape q = by_heads(node, kQ), key = by_heads(node, kK), value = by_heads(node, kV);
  for (const ir::Dim& dim : {q[1], q[3], key[1], key[3], value[1], value[3]}) {
    if (!dim.known() || dim.value() == 0) return std::nullopt;
  }
  const int64_t heads = key[1].value();
  if (value[1].value() != heads || q[1].value() % heads != 0) return std::nullopt;
  if (const ir::Value* mask = node.input(kMask)) {
    const int mask_rank = mask->type().rank();
    if (mask_rank < 0 || (mask_rank > 2 && size_along(*mask, mask_rank - 3) != 1)) return std::nullopt;
  }
  const auto units = [&](int64_t shared, const ir::Dim& size) {
    return SliceUnits{.inner = rank == 4 ? shared : shared * size.value()};
  };
  const int64_t shared = q[1].value() / heads;
  const SliceUnits to = units(shared, value[3]);
  return ChannelRelation{.links = {{kQ, axis, to, units(shared, q[3]), heads},
                                   {kK, axis, to, units(1, key[3]), heads},
                                   {kV, axis, to, units(1, value[3]), heads}},
                         .mixing = {}};
}

}  // namespace

extern const OpInfo attention_info = {.kind = ir::OpKind::attention,
                                      .min_inputs = 3,
                                      .max_inputs = 7,
                                      .min_outputs = 1,
                                      .max_outputs = 4,
                                      .verify = verify,
                                      .infer = infer,
                                      .eval = half_as_float<eval>,
                                      .cost = cost,
                                      .quant = nullptr,
                                      .channels = channels,
                                      .gradient = attention_gradient};

}  // namespace edgesmith::ops::attention_op

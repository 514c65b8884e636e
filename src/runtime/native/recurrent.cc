// SPDX-License-Identifier: Apache-2.0
#include "runtime/native/recurrent.h"

#include <algorithm>
#include <cmath>

#include "runtime/native/packing.h"

namespace edgesmith::runtime::native {
namespace {

// Operands of lstm, gru and rnn.
enum Operand : size_t { kX, kW, kR, kBias, kLengths, kHidden, kCell, kPeepholes };

bool codes_states(const ir::Node& node) { return node.attributes().get_int("quantized_states", 0) != 0; }
bool batch_first(const ir::Node& node) { return node.attributes().get_int("layout", 0) != 0; }
std::string direction_of(const ir::Node& node) { return node.attributes().get_string("direction", "forward"); }

struct Sizes : Prepared {
  int64_t steps = 0, batch = 0, inputs = 0, hidden = 0, directions = 1;
};

struct PackedWeights : Prepared {
  std::vector<RecurrentWeights> by_direction;  // none: W, R or the bias are not constant
};

const ir::Dims* dims_at(OperandDims inputs, size_t index) { return index < inputs.size() ? inputs[index] : nullptr; }

Result<Sizes> sizes_of(const ir::Node& node, const RecurrentCell& cell, OperandDims inputs) {
  const ir::Dims &x = *inputs[kX], &w = *inputs[kW], &r = *inputs[kR];
  if (x.size() != 3 || w.size() != 3 || r.size() != 3) return invalid_error("x, W or R has no three dims");
  const bool first = batch_first(node);
  Sizes sizes;
  sizes.steps = x[first ? 1 : 0];
  sizes.batch = x[first ? 0 : 1];
  sizes.inputs = x[2];
  sizes.hidden = r[2];
  sizes.directions = direction_of(node) == "bidirectional" ? 2 : 1;
  const int64_t rows = cell.gates * sizes.hidden;
  const ir::Dims states = first ? ir::Dims{sizes.batch, sizes.directions, sizes.hidden}
                                : ir::Dims{sizes.directions, sizes.batch, sizes.hidden};
  const std::pair<size_t, ir::Dims> expected[] = {{kW, {sizes.directions, rows, sizes.inputs}},
                                                  {kR, {sizes.directions, rows, sizes.hidden}},
                                                  {kBias, {sizes.directions, 2 * rows}},
                                                  {kLengths, {sizes.batch}},
                                                  {kHidden, states},
                                                  {kCell, states}};
  for (const auto& [index, dims] : expected) {
    const ir::Dims* given = dims_at(inputs, index);
    if (given != nullptr && *given != dims) {
      return invalid_error("operand " + std::to_string(index) + " is " + ir::type_of(ir::DType::f32, *given).text() +
                           ", must be " + ir::type_of(ir::DType::f32, dims).text());
    }
  }
  return sizes;
}

// The rows [first, first + count) of a matrix [.., k], transposed and packed.
std::vector<float> packed_rows(const float* matrix, int64_t first, int64_t count, int64_t k, const NativeTable& table) {
  std::vector<float> out(static_cast<size_t>(packed_columns_size(count, k, table)));
  if (count > 0) pack_columns({matrix + first * k, 1, k, k, count}, 1.0F, table, out.data());
  return out;
}

std::vector<RecurrentWeights> pack(const ir::Node& node, const RecurrentCell& cell, const ir::Tensor& w,
                                   const ir::Tensor& r, const ir::Tensor* bias, const NativeTable& table) {
  const int64_t directions = w.dims()[0], rows = w.dims()[1], inputs = w.dims()[2], hidden = r.dims()[2];
  const int64_t together = cell.gates_of_h * hidden;
  const bool apart = cell.bias_apart != nullptr && cell.bias_apart(node);
  std::vector<RecurrentWeights> out;
  for (int64_t d = 0; d < directions; ++d) {
    RecurrentWeights& own = out.emplace_back();
    const float* of_r = r.data<float>().data() + d * rows * hidden;
    own.of_x = packed_rows(w.data<float>().data() + d * rows * inputs, 0, rows, inputs, table);
    own.of_h = packed_rows(of_r, 0, together, hidden, table);
    own.apart = packed_rows(of_r, together, rows - together, hidden, table);
    if (bias == nullptr) continue;
    const float* numbers = bias->data<float>().data() + d * 2 * rows;
    own.bias.assign(static_cast<size_t>(round_up(rows, table.nr)), 0.0F);
    own.bias_apart.assign(static_cast<size_t>(round_up(rows - together, table.nr)), 0.0F);
    for (int64_t i = 0; i < rows; ++i) {
      const bool own_place = apart && i >= together;
      own.bias[static_cast<size_t>(i)] = numbers[i] + (own_place ? 0.0F : numbers[rows + i]);
      if (own_place) own.bias_apart[static_cast<size_t>(i - together)] = numbers[rows + i];
    }
  }
  return out;
}

const float* or_null(const std::vector<float>& numbers) { return numbers.empty() ? nullptr : numbers.data(); }

// Where the parts of the scratch begin, in floats.
struct Scratch {
  int64_t of_x, gates, others, spare, h, c, coded, size;

  Scratch(const Sizes& s, const RecurrentCell& cell) {
    int64_t at = 0;
    const auto take = [&](int64_t count) {
      const int64_t begin = at;
      at += round_up(count, 16);
      return begin;
    };
    of_x = take(s.steps * s.batch * cell.gates * s.hidden);
    gates = take(s.batch * cell.gates * s.hidden);
    others = take(s.batch * s.hidden);
    spare = take(2 * s.hidden);
    h = take(s.batch * s.hidden);
    c = take(s.batch * s.hidden);
    coded = take(cell.coded_states ? s.batch * s.hidden : 0);
    size = at;
  }
};

// One direction of one call.
class Direction {
 public:
  Direction(const KernelCall& call, const RecurrentCell& cell, const Sizes& sizes, const RecurrentWeights& weights,
            int64_t direction)
      : call_(call),
        cell_(cell),
        s_(sizes),
        weights_(weights),
        direction_(direction),
        table_(native_table(call.isa)),
        first_(batch_first(call.node)),
        backward_(direction == 1 || direction_of(call.node) == "reverse"),
        scratch_(reinterpret_cast<float*>(call.scratch)),
        parts_(sizes, cell) {}

  void run(const int32_t* lengths) {
    const int64_t columns = cell_.gates * s_.hidden, rows = s_.steps * s_.batch;
    if (rows > 0) {
      const float* x = call_.inputs[kX]->data<float>().data();
      multiply(table_,
               {{x, s_.inputs, 1, rows, s_.inputs},
                weights_.of_x.data(),
                columns,
                or_null(weights_.bias),
                at(parts_.of_x),
                columns},
               Epilogue());
    }
    load(kHidden, at(parts_.h));
    load(kCell, at(parts_.c));
    for (int64_t i = 0; i < s_.steps; ++i) {
      if (codes_states(call_.node)) code_states(i, lengths);
      if (lengths == nullptr) {
        step(backward_ ? s_.steps - 1 - i : i, 0, s_.batch);
        continue;
      }
      for (int64_t b = 0; b < s_.batch; ++b) {
        if (i < lengths[b]) step(backward_ ? lengths[b] - 1 - i : i, b, 1);
      }
    }
    store(1, at(parts_.h));
    store(2, at(parts_.c));
  }

 private:
  float* at(int64_t offset) const { return scratch_ + offset; }
  // Where the state of sequence b lies in an operand or result.
  int64_t state_of(int64_t b) const {
    return (first_ ? b * s_.directions + direction_ : direction_ * s_.batch + b) * s_.hidden;
  }

  void step(int64_t t, int64_t first_row, int64_t rows) {
    const int64_t columns = cell_.gates * s_.hidden;
    const int64_t row = first_ ? first_row * s_.steps + t : t * s_.batch + first_row;
    float* h = at(parts_.h) + first_row * s_.hidden;
    cell_.run(call_.node, {.table = table_,
                           .weights = weights_,
                           .rows = rows,
                           .hidden = s_.hidden,
                           .of_x = at(parts_.of_x) + row * columns,
                           .x_step = (first_ ? s_.steps : 1) * columns,
                           .gates = at(parts_.gates),
                           .spare = at(parts_.spare),
                           .others = at(parts_.others),
                           .h = h,
                           .of_r = codes_states(call_.node) ? at(parts_.coded) + first_row * s_.hidden : h,
                           .c = at(parts_.c) + first_row * s_.hidden});
    auto* y = call_.outputs[0].as<float>();
    for (int64_t b = first_row; b < first_row + rows; ++b, h += s_.hidden) {
      const int64_t to =
          first_ ? (b * s_.steps + t) * s_.directions + direction_ : (t * s_.directions + direction_) * s_.batch + b;
      std::copy_n(h, s_.hidden, y + to * s_.hidden);
    }
  }

  // What 8-bit codes of h mean, with one range for all sequences that had not ended a step before, as ops/lstm.cc.
  void code_states(int64_t i, const int32_t* lengths) const {
    const float* h = at(parts_.h);
    float* coded = at(parts_.coded);
    const auto goes_on = [&](int64_t b) { return lengths == nullptr || i <= lengths[b]; };
    float least = 0, largest = 0;
    for (int64_t b = 0; b < s_.batch; ++b) {
      if (!goes_on(b)) continue;
      for (int64_t k = b * s_.hidden; k < (b + 1) * s_.hidden; ++k) {
        least = std::min(least, h[k]);
        largest = std::max(largest, h[k]);
      }
    }
    const float scale = largest > least ? (largest - least) / 255 : 1.0F;
    const float zero = std::nearbyint(std::clamp(-least / scale, 0.0F, 255.0F));
    for (int64_t b = 0; b < s_.batch; ++b) {
      if (!goes_on(b)) continue;
      for (int64_t k = b * s_.hidden; k < (b + 1) * s_.hidden; ++k) {
        coded[k] = (std::clamp(std::nearbyint(h[k] / scale) + zero, 0.0F, 255.0F) - zero) * scale;
      }
    }
  }

  void load(size_t operand, float* to) const {
    const ir::Tensor* given = operand < call_.inputs.size() ? call_.inputs[operand] : nullptr;
    for (int64_t b = 0; b < s_.batch; ++b, to += s_.hidden) {
      if (given != nullptr) {
        std::copy_n(given->data<float>().data() + state_of(b), s_.hidden, to);
      } else {
        std::fill_n(to, s_.hidden, 0.0F);
      }
    }
  }

  void store(size_t output, const float* from) const {
    if (output >= call_.outputs.size()) return;
    for (int64_t b = 0; b < s_.batch; ++b, from += s_.hidden) {
      std::copy_n(from, s_.hidden, call_.outputs[output].as<float>() + state_of(b));
    }
  }

  const KernelCall& call_;
  const RecurrentCell& cell_;
  const Sizes& s_;
  const RecurrentWeights& weights_;
  int64_t direction_;
  const NativeTable& table_;
  bool first_, backward_;
  float* scratch_;
  Scratch parts_;
};

}  // namespace

void multiply_states(const CellStep& step, const float* states, const std::vector<float>& packed, int64_t columns,
                     const float* bias, float* products, int64_t products_step) {
  multiply(step.table,
           {{states, step.hidden, 1, step.rows, step.hidden}, packed.data(), columns, bias, products, products_step},
           Epilogue());
}

bool supports_recurrent(const ir::Node& node, const RecurrentCell& cell) {
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Value* value = node.input(i);
    if (value == nullptr) continue;
    const ir::DType wanted = static_cast<size_t>(i) == kLengths ? ir::DType::i32 : ir::DType::f32;
    if (static_cast<size_t>(i) == kPeepholes || value->type().dtype != wanted) return false;
  }
  const ir::Attributes& attributes = node.attributes();
  if (attributes.get_float("clip", 0.0F) > 0) return false;
  if (attributes.get_int("input_forget", 0) != 0 || (codes_states(node) && !cell.coded_states)) return false;
  const ir::Attribute* given = attributes.find("activations");
  const auto* names = given != nullptr ? std::get_if<ir::Strings>(given) : nullptr;
  for (size_t i = 0; names != nullptr && i < names->size(); ++i) {
    if ((*names)[i] != cell.activations[i % cell.activations.size()]) return false;
  }
  return true;
}

Result<std::shared_ptr<const Prepared>> prepare_recurrent(const ir::Node& node, const RecurrentCell& cell,
                                                          std::span<const ir::Tensor* const> constants, Isa isa) {
  auto packed = std::make_shared<PackedWeights>();
  const bool bias = node.num_inputs() > static_cast<int>(kBias) && node.input(kBias) != nullptr;
  if (constants[kW] != nullptr && constants[kR] != nullptr && (!bias || constants[kBias] != nullptr)) {
    packed->by_direction =
        pack(node, cell, *constants[kW], *constants[kR], bias ? constants[kBias] : nullptr, native_table(isa));
  }
  return std::shared_ptr<const Prepared>(std::move(packed));
}

Result<int64_t> recurrent_scratch_bytes(const ir::Node& node, const RecurrentCell& cell, OperandDims inputs) {
  const auto sizes = sizes_of(node, cell, inputs);
  if (!sizes) return sizes.error();
  return Scratch(*sizes, cell).size * 4;
}

Result<std::shared_ptr<const Prepared>> bind_recurrent(const ir::Node& node, const RecurrentCell& cell,
                                                       OperandDims inputs) {
  auto sizes = sizes_of(node, cell, inputs);
  if (!sizes) return sizes.error();
  return std::shared_ptr<const Prepared>(std::make_shared<Sizes>(*sizes));
}

Status run_recurrent(const KernelCall& call, const RecurrentCell& cell) {
  const Sizes& sizes = static_cast<const Sizes&>(*call.bound);
  const int32_t* lengths = nullptr;
  if (call.inputs.size() > kLengths && call.inputs[kLengths] != nullptr) {
    lengths = call.inputs[kLengths]->data<int32_t>().data();
    for (int64_t b = 0; b < sizes.batch; ++b) {
      if (lengths[b] >= 0 && lengths[b] <= sizes.steps) continue;
      return invalid_error("a sequence has " + std::to_string(lengths[b]) + " of " + std::to_string(sizes.steps) +
                           " steps");
    }
    const int64_t count = sizes.steps * sizes.directions * sizes.batch * sizes.hidden;
    std::fill_n(call.outputs[0].as<float>(), count, 0.0F);
  }
  std::vector<RecurrentWeights> own;
  const auto* weights = &static_cast<const PackedWeights&>(*call.prepared).by_direction;
  if (weights->empty()) {
    own = pack(call.node, cell, *call.inputs[kW], *call.inputs[kR],
               call.inputs.size() > kBias ? call.inputs[kBias] : nullptr, native_table(call.isa));
    weights = &own;
  }
  for (int64_t d = 0; d < sizes.directions; ++d) {
    Direction(call, cell, sizes, (*weights)[static_cast<size_t>(d)], d).run(lengths);
  }
  return {};
}

}  // namespace edgesmith::runtime::native

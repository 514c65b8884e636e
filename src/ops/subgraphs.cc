// SPDX-License-Identifier: Apache-2.0
// Evaluates If, Loop, Scan and functions by running their graphs node by node.
//
// If: the graph that condition (operand 0, one bool) chooses. Loop: operands: most steps (one i64, or absent),
// condition (one bool, or absent: true), states; the body maps (step, condition, states) to (condition, states,
// slices), and runs while the condition holds; results: the states, then the slices of every output stacked along a new
// axis 0. Scan: the body maps (states, slices of the scanned operands along their axes) to (states, slices), once for
// each index on those axes; results as for Loop, stacked along the axes that attributes name.
#include "ops/subgraphs.h"

#include <algorithm>
#include <string>

#include "edgesmith/ir/subgraphs.h"
#include "ops/check.h"
#include "ops/elements.h"
#include "ops/operands.h"

namespace edgesmith::ops {
namespace {

using Tensors = std::vector<ir::Tensor>;
using Pointers = std::vector<const ir::Tensor*>;

// A model's loop runs over steps of a sequence; what runs longer than this has no end.
constexpr int64_t kMostSteps = 1'000'000;

std::vector<KnownInput> types_of(const Pointers& inputs) {
  std::vector<KnownInput> known;
  for (const ir::Tensor* input : inputs) {
    known.push_back(input != nullptr ? KnownInput{input->type(), nullptr} : KnownInput{});
  }
  return known;
}

// One run of a graph: tensors live until their last reader has run.
class GraphRun {
 public:
  explicit GraphRun(const ir::Graph& graph)
      : graph_(graph), at_(static_cast<size_t>(graph.num_value_ids())), made_(at_.size()), left_(at_.size()) {}

  Result<Tensors> run(std::span<const ir::Tensor* const> inputs) {
    size_t next = 0;
    for (const ir::Node& node : graph_.nodes()) {
      if (node.is(ir::OpKind::input)) {
        at_[index(node.output())] = next < inputs.size() ? inputs[next] : nullptr;
        ++next;
      } else if (node.is(ir::OpKind::constant)) {
        keep(node.output(), node.tensor().dense());
      } else if (!node.is(ir::OpKind::output)) {
        EDGESMITH_TRY(run_node(node));
      }
    }
    return results();
  }

 private:
  static size_t index(const ir::Value& value) { return static_cast<size_t>(value.id()); }

  void keep(const ir::Value& value, ir::Tensor tensor) {
    if (value.unused()) return;
    const size_t id = index(value);
    made_[id] = std::move(tensor);
    at_[id] = &made_[id];
    left_[id] = value.uses().size();
  }

  Status run_node(const ir::Node& node) {
    Pointers operands;
    for (int i = 0; i < node.num_inputs(); ++i) {
      operands.push_back(node.input(i) != nullptr ? at_[index(*node.input(i))] : nullptr);
    }
    EDGESMITH_TRY(check_present(node, operands));
    auto outputs = eval_node(node, operands);
    if (!outputs) return outputs.error();
    for (int i = 0; i < node.num_outputs(); ++i) {
      const auto made = static_cast<size_t>(i);
      if (made < outputs->size()) keep(node.output(i), std::move((*outputs)[made]));
    }
    for (int i = 0; i < node.num_inputs(); ++i) {
      if (node.input(i) != nullptr && left_[index(*node.input(i))] > 0) release(*node.input(i));
    }
    return {};
  }

  // An operand that the operator needs may be one that the node around it leaves out.
  static Status check_present(const ir::Node& node, const Pointers& operands) {
    const OpInfo* op = find_op(node.op());
    for (int i = 0; op != nullptr && i < op->min_inputs; ++i) {
      if (static_cast<size_t>(i) < operands.size() && operands[static_cast<size_t>(i)] != nullptr) continue;
      return invalid_error(node.label() + ": input " + std::to_string(i) + " is missing");
    }
    return {};
  }

  void release(const ir::Value& value) {
    if (--left_[index(value)] == 0) made_[index(value)] = ir::Tensor();
  }

  Result<Tensors> results() const {
    Tensors tensors;
    for (int i = 0; i < graph_.num_outputs(); ++i) {
      const ir::Tensor* tensor = at_[index(*graph_.output_node().input(i))];
      if (tensor == nullptr || !tensor->valid()) {
        return invalid_error("result '" + graph_.output_names()[static_cast<size_t>(i)] + "' is missing");
      }
      tensors.push_back(*tensor);
    }
    return tensors;
  }

  const ir::Graph& graph_;
  Pointers at_;               ///< by value id
  Tensors made_;              ///< by value id; what `at_` points to unless it came from outside
  std::vector<size_t> left_;  ///< reads that are still to come
};

Result<bool> truth(const ir::Tensor& tensor) {
  if (tensor.dtype() == ir::DType::boolean && tensor.size() == 1) return tensor.data<bool>()[0];
  return invalid_error("the condition is " + tensor.type().text() + ", must be one bool");
}

Pointers captured(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const auto first = static_cast<size_t>(node.subgraphs->num_inputs);
  return {inputs.begin() + static_cast<std::ptrdiff_t>(std::min(first, inputs.size())), inputs.end()};
}

// A number for a body that wants it as a scalar or as a vector of one.
template <typename T>
ir::Tensor counter(T value, const ir::Value& formal) {
  return ir::Tensor::of<T>(formal.type().rank() == 1 ? ir::Dims{1} : ir::Dims{}, std::span<const T>(&value, 1));
}

// The slices of one result, stacked along a new axis. `body` and `inputs` tell the type of a slice when there is none.
Result<ir::Tensor> stack(Tensors& slices, int64_t axis, bool backward, const ir::Graph& body, const Pointers& inputs,
                         size_t result) {
  if (slices.empty()) {
    const auto types = infer_body(body, types_of(inputs));
    if (!types) return types.error();
    const ir::Type& type = (*types)[result];
    auto dims = type.static_dims();
    if (!dims || type.dtype == ir::DType::undefined) {
      return unsupported_error("no step runs, and the type of result " + std::to_string(result) + " is not known");
    }
    const auto at = normalize_axis(axis, static_cast<int>(dims->size()) + 1);
    if (!at) return at.error();
    dims->insert(dims->begin() + *at, 0);
    return make_tensor(type.dtype, *dims);
  }
  if (backward) std::reverse(slices.begin(), slices.end());
  const ir::Type first = slices.front().type();
  const auto at = normalize_axis(axis, first.rank() + 1);
  if (!at) return at.error();
  ir::Dims dims = slices.front().dims();
  dims.insert(dims.begin() + *at, 1);
  Pointers parts;
  for (ir::Tensor& slice : slices) {
    if (slice.type() != first) {
      return invalid_error("result " + std::to_string(result) + " is " + first.text() + " in one step and " +
                           slice.type().text() + " in another");
    }
    slice = slice.dense().reshaped(dims);
    parts.push_back(&slice);
  }
  return join(parts, *at);
}

// States and slices of a loop, step after step.
struct Steps {
  Tensors states;
  std::vector<Tensors> slices;

  Status take(Tensors& results, size_t first_state) {
    for (size_t i = 0; i < states.size(); ++i) states[i] = std::move(results[first_state + i]);
    for (size_t i = 0; i < slices.size(); ++i) {
      slices[i].push_back(std::move(results[first_state + states.size() + i]));
    }
    return {};
  }
};

Result<Steps> first_states(const ir::Node& node, std::span<const ir::Tensor* const> inputs, size_t begin, size_t end,
                           int num_slices) {
  Steps steps;
  for (size_t i = begin; i < end; ++i) {
    if (inputs[i] == nullptr) return invalid_error("state " + std::to_string(i - begin) + " is missing");
    steps.states.push_back(*inputs[i]);
  }
  if (num_slices < 0 || node.num_outputs() > static_cast<int>(steps.states.size()) + num_slices) {
    return invalid_error("the body has " + std::to_string(num_slices + static_cast<int>(steps.states.size())) +
                         " results for " + std::to_string(node.num_outputs()) + " outputs");
  }
  steps.slices.resize(static_cast<size_t>(num_slices));
  return steps;
}

Result<Tensors> run_loop(const ir::Node& node, std::span<const ir::Tensor* const> inputs, BodyRunner& bodies) {
  const ir::Subgraphs& loop = *node.subgraphs;
  const ir::Graph& body = loop.graphs.front();
  const std::vector<ir::Value*> formals = body.inputs();
  const auto end = static_cast<size_t>(loop.num_inputs);
  auto steps = first_states(node, inputs, 2, end, body.num_outputs() - 1 - static_cast<int>(end - 2));
  if (!steps) return steps.error();
  int64_t most = INT64_MAX;
  if (const ir::Tensor* given = operand(inputs, 0)) {
    const auto number = read_ints(*given, "the number of steps");
    if (!number) return number.error();
    if (number->size() != 1) return invalid_error("the number of steps is " + given->type().text());
    most = number->front();
  }
  Result<bool> go = true;
  if (const ir::Tensor* given = operand(inputs, 1)) go = truth(*given);
  if (!go) return go.error();
  const Pointers outer = captured(node, inputs);
  ir::Tensor number = counter<int64_t>(0, *formals[0]), condition = counter<bool>(*go, *formals[1]);
  const auto arguments = [&] {
    Pointers all = {&number, &condition};
    for (const ir::Tensor& state : steps->states) all.push_back(&state);
    all.insert(all.end(), outer.begin(), outer.end());
    return all;
  };
  EDGESMITH_TRY(bodies.check(body, arguments()));
  for (int64_t step = 0; *go && step < most; ++step) {
    if (step == kMostSteps) return io_error("runs more than " + std::to_string(kMostSteps) + " steps");
    number = counter<int64_t>(step, *formals[0]);
    auto results = bodies.run(body, arguments());
    if (!results) return results.error();
    go = truth(results->front());
    if (!go) return go.error();
    condition = counter<bool>(*go, *formals[1]);
    EDGESMITH_TRY(steps->take(*results, 1));
  }
  Tensors outputs;
  for (size_t i = 0; i < steps->slices.size(); ++i) {
    auto stacked = stack(steps->slices[i], 0, false, body, arguments(), 1 + steps->states.size() + i);
    if (!stacked) return stacked.error();
    outputs.push_back(std::move(*stacked));
  }
  outputs.insert(outputs.begin(), steps->states.begin(), steps->states.end());
  return outputs;
}

// A number out of a list of attributes that may be absent.
int64_t listed(const ir::Ints& list, size_t index) { return index < list.size() ? list[index] : 0; }

// `inputs`: states, scanned operands, outer values.
Result<Tensors> run_scan(const ir::Node& node, std::span<const ir::Tensor* const> inputs, BodyRunner& bodies) {
  const ir::Subgraphs& scan = *node.subgraphs;
  const ir::Graph& body = scan.graphs.front();
  const auto end = static_cast<size_t>(scan.num_inputs - (scan.batched ? 1 : 0)),
             first = end - static_cast<size_t>(scan.num_scanned);
  auto steps = first_states(node, inputs, 0, first, body.num_outputs() - static_cast<int>(first));
  if (!steps) return steps.error();
  std::vector<size_t> axes;
  int64_t length = 0;
  for (size_t i = first; i < end; ++i) {
    if (inputs[i] == nullptr) return invalid_error("scanned operand " + std::to_string(i - first) + " is missing");
    const auto axis = normalize_axis(listed(scan.input_axes, i - first), inputs[i]->rank());
    if (!axis) return axis.error();
    axes.push_back(static_cast<size_t>(*axis));
    const int64_t dim = inputs[i]->dims()[axes.back()];
    if (i > first && dim != length) {
      return invalid_error("scanned operands have " + std::to_string(length) + " and " + std::to_string(dim) +
                           " slices");
    }
    length = dim;
  }
  const Pointers outer(inputs.begin() + static_cast<std::ptrdiff_t>(end), inputs.end());
  Tensors slices(axes.size());
  const auto arguments = [&] {
    Pointers all;
    for (const ir::Tensor& state : steps->states) all.push_back(&state);
    for (const ir::Tensor& slice : slices) all.push_back(&slice);
    all.insert(all.end(), outer.begin(), outer.end());
    return all;
  };
  const auto cut = [&](int64_t step) -> Status {
    for (size_t i = 0; i < axes.size(); ++i) {
      const ir::Tensor& whole = *inputs[first + i];
      auto maps = identity_maps(whole.dims());
      maps[axes[i]] = {listed(scan.input_backward, i) != 0 ? length - 1 - step : step};
      auto slice = take(whole, maps, nullptr);
      if (!slice) return slice.error();
      ir::Dims dims = whole.dims();
      dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axes[i]));
      slices[i] = slice->reshaped(std::move(dims));
    }
    return {};
  };
  for (int64_t step = 0; step < length; ++step) {
    EDGESMITH_TRY(cut(step));
    if (step == 0) EDGESMITH_TRY(bodies.check(body, arguments()));
    auto results = bodies.run(body, arguments());
    if (!results) return results.error();
    EDGESMITH_TRY(steps->take(*results, 0));
  }
  for (size_t i = 0; length == 0 && i < axes.size(); ++i) {
    ir::Dims dims = inputs[first + i]->dims();
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axes[i]));
    auto slice = make_tensor(inputs[first + i]->dtype(), std::move(dims));
    if (!slice) return slice.error();
    slices[i] = std::move(*slice);  // only its type is looked at
  }
  Tensors outputs = steps->states;
  for (size_t i = 0; i < steps->slices.size(); ++i) {
    auto stacked = stack(steps->slices[i], listed(scan.output_axes, i), listed(scan.output_backward, i) != 0, body,
                         arguments(), first + i);
    if (!stacked) return stacked.error();
    outputs.push_back(std::move(*stacked));
  }
  return outputs;
}

// Entry `index` of axis 0.
Result<ir::Tensor> entry_of(const ir::Tensor& whole, int64_t index) {
  auto maps = identity_maps(whole.dims());
  maps[0] = {index};
  auto entry = take(whole, maps, nullptr);
  if (!entry) return entry;
  return entry->reshaped({whole.dims().begin() + 1, whole.dims().end()});
}

// Scan of opset 8: one run for each entry of the batch.
Result<Tensors> run_batched_scan(const ir::Node& node, std::span<const ir::Tensor* const> inputs, BodyRunner& bodies) {
  if (operand(inputs, 0) != nullptr) return unsupported_error("sequences of different lengths");
  const auto own = static_cast<size_t>(node.subgraphs->num_inputs);
  int64_t batch = 0;
  for (size_t i = 1; i < own; ++i) {
    if (inputs[i] == nullptr || inputs[i]->rank() == 0) return invalid_error("an operand has no batch");
    if (i > 1 && inputs[i]->dims()[0] != batch) return invalid_error("operands have batches of different sizes");
    batch = inputs[i]->dims()[0];
  }
  std::vector<Tensors> by_output;
  for (int64_t b = 0; b < batch; ++b) {
    Tensors entries;
    for (size_t i = 1; i < own; ++i) {
      auto entry = entry_of(*inputs[i], b);
      if (!entry) return entry.error();
      entries.push_back(std::move(*entry));
    }
    Pointers operands;
    for (const ir::Tensor& entry : entries) operands.push_back(&entry);
    operands.insert(operands.end(), inputs.begin() + static_cast<std::ptrdiff_t>(own), inputs.end());
    auto results = run_scan(node, operands, bodies);
    if (!results) return results;
    by_output.resize(results->size());
    for (size_t i = 0; i < results->size(); ++i) by_output[i].push_back(std::move((*results)[i]));
  }
  if (batch == 0) return unsupported_error("the batch is empty");
  Tensors outputs;
  for (size_t i = 0; i < by_output.size(); ++i) {
    auto stacked = stack(by_output[i], 0, false, node.subgraphs->graphs.front(), {}, i);
    if (!stacked) return stacked.error();
    outputs.push_back(std::move(*stacked));
  }
  return outputs;
}

}  // namespace

Status PlainBodies::check(const ir::Graph& body, std::span<const ir::Tensor* const> operands) {
  // Evaluations rely on what verification found right, so the nodes are verified with the types that they will meet.
  const auto types = infer_body(body, types_of({operands.begin(), operands.end()}));
  return types ? Status{} : types.error();
}

Result<Tensors> PlainBodies::run(const ir::Graph& body, std::span<const ir::Tensor* const> operands) {
  return GraphRun(body).run(operands);
}

Result<std::vector<ir::Tensor>> eval_subgraphs(const ir::Node& node, std::span<const ir::Tensor* const> inputs,
                                               BodyRunner& bodies) {
  const ir::Subgraphs& subgraphs = *node.subgraphs;
  const ir::Graph* body = &subgraphs.graphs.front();
  Pointers operands(inputs.begin(), inputs.end());
  switch (subgraphs.kind) {
    case ir::Subgraphs::Kind::function: break;
    case ir::Subgraphs::Kind::loop: return run_loop(node, inputs, bodies);
    case ir::Subgraphs::Kind::scan:
      return subgraphs.batched ? run_batched_scan(node, inputs, bodies) : run_scan(node, inputs, bodies);
    case ir::Subgraphs::Kind::branches: {
      if (inputs.empty() || inputs[0] == nullptr) return invalid_error("the condition is missing");
      const auto condition = truth(*inputs[0]);
      if (!condition) return condition.error();
      body = &subgraphs.graphs[*condition ? 0 : 1];
      operands = captured(node, inputs);
    }
  }
  EDGESMITH_TRY(bodies.check(*body, operands));
  return bodies.run(*body, operands);
}

}  // namespace edgesmith::ops

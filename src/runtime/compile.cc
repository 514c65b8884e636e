// SPDX-License-Identifier: Apache-2.0
// From a graph to steps: constants are made dense, constant parts folded, padding and activations fused, and under
// integer arithmetic whatever has an integer form computes on codes, with conversions where codes and reals meet.
#include <algorithm>
#include <map>

#include "edgesmith/base/check.h"
#include "edgesmith/ir/structural.h"
#include "edgesmith/ops/op_info.h"
#include "runtime/arena.h"
#include "runtime/bodies.h"
#include "runtime/choices.h"
#include "runtime/fuse_gate.h"
#include "runtime/fuse_pad.h"
#include "runtime/fuse_residual.h"
#include "runtime/half_nodes.h"
#include "runtime/integer/convert.h"
#include "runtime/native/kernels.h"
#include "runtime/native/round_halves.h"
#include "runtime/program.h"
#include "runtime/quantize_value.h"

namespace edgesmith::runtime {

using ir::OpKind;

namespace {

// Checks that the node can be run.
Status check_known(const ir::Node& node) {
  const ir::Node* unknown = ops::find_unknown(node);
  if (unknown == nullptr) return {};
  const std::string op = unknown->opaque_op + (unknown != &node ? " in " + node.opaque_op : "");
  return unsupported_error(node.label() + ": operator " + op + " cannot be run",
                           "a model with it can be converted, but not evaluated or calibrated");
}

// The constant operands of a node; null where an operand is absent or computed.
std::vector<const ir::Tensor*> constant_operands(const Program& program, const ir::Node& node) {
  std::vector<const ir::Tensor*> out;
  for (int i = 0; i < node.num_inputs(); ++i) {
    const ir::Value* value = node.input(i);
    const bool constant = value != nullptr && program.known(*value);
    out.push_back(constant ? &program.constants[static_cast<size_t>(value->id())] : nullptr);
  }
  return out;
}

Status add_constant(Program& program, const ir::Value& value, const ir::Tensor& tensor) {
  ir::Tensor dense = tensor.dense();
  const ir::Quant* quant = program.annotation(value);
  // An affine constant's annotation is the tensor's own: its reals are already the dequantized ones.
  if (quant != nullptr && tensor.encoding() != ir::Encoding::affine) {
    auto quantized = fake_quantize(*quant, dense, program.isa);
    if (!quantized) return quantized.error().in(value.node().label());
    dense = std::move(*quantized);
  }
  const ir::DType half = program.rounds_to(value);
  if (half != ir::DType::undefined) dense = native::rounded_to_half(program.isa, dense, half);
  program.constants[static_cast<size_t>(value.id())] = std::move(dense);
  return {};
}

// Runs a node whose operands are all constant, now. False when it is not one.
Result<bool> fold(Program& program, const ir::Node& node) {
  const std::vector<const ir::Tensor*> operands = constant_operands(program, node);
  for (int i = 0; i < node.num_inputs(); ++i) {
    if (node.input(i) != nullptr && operands[static_cast<size_t>(i)] == nullptr) return false;
  }
  auto outputs = evaluate(node, operands);
  if (!outputs) return outputs.error();
  for (int i = 0; i < node.num_outputs(); ++i) {
    EDGESMITH_TRY(add_constant(program, node.output(i), (*outputs)[static_cast<size_t>(i)]));
  }
  return true;
}

// The bounds of a relu, or of a clip with constant bounds.
std::optional<Epilogue> as_clamp(const Program& program, const ir::Node& node) {
  Epilogue epilogue;
  epilogue.clamp = true;
  if (node.is(OpKind::relu)) {
    epilogue.lo = 0;
    return epilogue;
  }
  if (!node.is(OpKind::clip)) return std::nullopt;
  for (int i = 1; i < node.num_inputs(); ++i) {
    if (node.input(i) == nullptr) continue;
    const ir::Tensor& bound = program.constants[static_cast<size_t>(node.input(i)->id())];
    if (!bound.valid() || bound.dtype() != ir::DType::f32 || bound.size() != 1) return std::nullopt;
    (i == 1 ? epilogue.lo : epilogue.hi) = bound.data<float>()[0];
  }
  return epilogue;
}

// The kernel that says what may be fused into a step on reals, or null. The plain evaluation does all nodes where it is
// chosen, so that a choice does not change what a step is.
const Kernel* fusing_kernel(const Program& program, const Step& step) {
  const bool chosen = find_choice(program, *step.node) != nullptr;
  return step.kernel == nullptr && chosen ? default_kernel(program, step) : step.kernel;
}

// The activation that is the only reader of what `step` makes, when the kernel can do it too.
void fuse_activation(const Program& program, Step& step) {
  const Kernel* kernel = fusing_kernel(program, step);
  if (kernel == nullptr || !kernel->epilogue || step.node->num_outputs() != 1) return;
  const ir::Value& value = step.last().output();
  if (value.uses().size() != 1 || value.quant().has_value() || program.observed(value)) return;
  const ir::Node& reader = *value.uses()[0].node;
  if (value.uses()[0].index != 0 || reader.is(OpKind::output)) return;
  const auto clamp = as_clamp(program, reader);
  if (!clamp) return;
  step.activation = &reader;
  step.results = {program.slot(reader.output(), Rep::reals)};
  step.epilogue = *clamp;
}

void finish(const Program& program, Step& step) {
  if (step.kernel == nullptr || !step.kernel->epilogue || step.last().num_outputs() != 1) return;
  const ir::Quant* quant = program.annotation(step.last().output());
  if (quant != nullptr) add_to_epilogue(*quant, step.epilogue);
}

// A view passes bytes on, so it may carry no annotation but the one its operand carries (quantizing twice is once).
bool view_allowed(const Program& program, const ir::Node& node) {
  const ir::DType half = program.rounds_to(node.output());
  if (half != ir::DType::undefined && half != program.rounds_to(*node.input(0))) return false;
  const ir::Quant* quant = program.annotation(node.output());
  if (quant == nullptr) return true;
  const ir::Quant* operand = program.annotation(*node.input(0));
  return operand != nullptr && quant->per_tensor() && operand->same_codes(*quant) && ir::dtype_bits(quant->dtype) <= 16;
}

Result<Step> make_step(const Program& program, const ir::Node& node) {
  Step step = plain_step(program, node);
  EDGESMITH_TRY(check_known(node));
  if (program.options.reference) return step;
  step.view = is_view(node) && view_allowed(program, node);
  if (step.view) return step;
  step.kernel = kernel_of(program, step);
  if (step.kernel != nullptr && step.kernel->as_reference && find_choice(program, node) == nullptr &&
      program.depends_on_dims_alone(node)) {
    step.kernel = nullptr;
  }
  if (step.kernel == nullptr) step.half = make_half_node(program, node);
  if (step.kernel == nullptr || step.kernel->prepare == nullptr) return step;
  auto prepared = step.kernel->prepare(node, constant_operands(program, node), program.isa);
  if (!prepared) return prepared.error().in(node.label());
  step.prepared = std::move(*prepared);
  return step;
}

// Makes Program::steps.
class Compiler {
 public:
  explicit Compiler(Program& program) : program_(program), graph_(*program.graph) {
    fused_.resize(static_cast<size_t>(graph_.num_node_ids()));
    made_.resize(static_cast<size_t>(program.num_slots()));
    for (const ir::Value* input : graph_.inputs()) made_[static_cast<size_t>(input->id())] = true;
  }

  /// `plain` is the node's plain step where that was made already.
  Status add(const ir::Node& node, std::optional<Step> plain) {
    if (const ir::Node* reader = residual_still_to_come(node)) {
      waiting_[reader->id()].emplace_back(&node, std::move(plain));
      return {};
    }
    if (const auto waiting = waiting_.find(node.id()); waiting != waiting_.end()) {
      for (auto& [conv, conv_step] : waiting->second) EDGESMITH_TRY(add_now(*conv, std::move(conv_step)));
    }
    return add_now(node, std::move(plain));
  }

  void finish_outputs() {
    const ir::Node& results = graph_.output_node();
    for (int i = 0; i < results.num_inputs(); ++i) require(*results.input(i), Rep::reals);
  }

 private:
  // The Add to which a convolution is put off, since the other operand is computed in between.
  const ir::Node* residual_still_to_come(const ir::Node& node) const {
    if (!node.is(OpKind::conv) || program_.options.reference) return nullptr;
    const auto found = find_residual_add(program_, node.output());
    return found && !is_there(*found->other) ? found->add : nullptr;
  }

  Status add_now(const ir::Node& node, std::optional<Step> plain) {
    if (fused_[static_cast<size_t>(node.id())]) return {};
    if (code_pads(node)) return {};   // its reader does it
    std::vector<const Kernel*> rows;  // on codes
    auto on_codes = codes_step(node, rows);
    if (!on_codes) return on_codes.error();
    if (*on_codes) {
      const ir::Value& result = (*on_codes)->last().output();
      EDGESMITH_TRY(push_chosen(std::move(**on_codes), std::move(rows)));
      if (program_.observed(result)) require(result, Rep::reals);
      return {};
    }
    if (fusable_pads(node) || is_fused_gate(program_, node)) return {};  // its reader does it
    auto padded = padded_step(node);
    if (!padded) return padded.error();
    if (!*padded && !plain) {
      auto made = make_step(program_, node);
      if (!made) return made.error();
      plain = std::move(*made);
    }
    Step step = std::move(*padded ? **padded : *plain);
    const ir::Value* const gate = fused_gate(program_, node);
    if (gate != nullptr) step.operands[0] = program_.slot(*gate, Rep::reals);
    fuse_residual(step);
    fuse_activation(program_, step);
    finish(program_, step);
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* value = i == 0 && step.pad != nullptr ? step.pad->input(0)
                               : i == 0 && gate != nullptr   ? gate
                                                             : node.input(i);
      if (value != nullptr) require(*value, Rep::reals);
    }
    return push_chosen(std::move(step), std::move(rows));
  }

  bool integer_arithmetic() const {
    return program_.options.arithmetic != Arithmetic::floating && program_.options.arithmetic != Arithmetic::fake_quant;
  }

  // The pads that the reader of `node` takes over; nothing when `node` is no such Pad. Where its result carries codes,
  // the reader may compute on them.
  std::optional<ir::Ints> fusable_pads(const ir::Node& node) const {
    if (program_.options.reference || !node.is(OpKind::pad) || program_.observed(node.output())) return std::nullopt;
    if (integer_arithmetic() && node.output().quant().has_value()) return std::nullopt;
    if (program_.annotation(node.output()) != nullptr) return std::nullopt;
    return pads_of_reader(program_, node);
  }

  // The pads that the convolution behind `pad` takes over on codes: both carry the same codes, so that what is padded
  // with is the zero point.
  std::optional<ir::Ints> code_pads(const ir::Node& pad) const {
    if (!pad.is(OpKind::pad) || !integer_arithmetic() || program_.options.reference) return std::nullopt;
    if (!same_codes(*pad.input(0), pad.output()) || program_.observed(pad.output())) return std::nullopt;
    const auto pads = pads_of_reader(program_, pad);
    if (!pads) return std::nullopt;
    const ir::Node& conv = *pad.output().uses()[0].node;
    const KernelChoices& choices = program_.options.choices;
    if (choices.contains(pad.id()) || choices.contains(conv.id())) return std::nullopt;
    Step step = plain_step(program_, conv);
    std::optional<integer::Form> form = form_with_activation(conv, step);
    if (!form) form = own_form(conv);
    if (!form) return std::nullopt;
    const Kernel* kernel = find_kernel(*form, program_.isa, false);
    return kernel == &native::kConvI8 || kernel == &native::kDepthwiseConvI8 ? pads : std::nullopt;
  }

  // The step of a convolution together with the Pad before it; nothing when there is none to fuse.
  Result<std::optional<Step>> padded_step(const ir::Node& node) const {
    if (!node.is(OpKind::conv)) return std::optional<Step>();
    const ir::Node& pad = node.input(0)->node();
    const auto pads = fusable_pads(pad);
    if (!pads) return std::optional<Step>();
    Step step = plain_step(program_, node);
    const PaddedConv padded = with_pads(program_, node, pad, *pads);
    step.pad = &pad;
    step.padded_graph = padded.graph;
    step.padded_node = padded.node;
    step.operands[0] = program_.slot(*pad.input(0), Rep::reals);
    EDGESMITH_CHECK(default_kernel(program_, step) != nullptr)
        << node.label() << ": no kernel with padding, but one without";
    step.kernel = kernel_of(program_, step);
    if (step.kernel == nullptr || step.kernel->prepare == nullptr) return std::optional(std::move(step));
    auto prepared = step.kernel->prepare(*padded.node, constant_operands(program_, node), program_.isa);
    if (!prepared) return prepared.error().in(node.label());
    step.prepared = std::move(*prepared);
    return std::optional(std::move(step));
  }

  // The Add that is the only reader of what `step` makes on reals, when the kernel can do it and the other operand is
  // there.
  void fuse_residual(Step& step) const {
    const Kernel* kernel = fusing_kernel(program_, step);
    if (kernel == nullptr || !kernel->residual || program_.annotation(step.node->output()) != nullptr) return;
    const auto found = find_residual_add(program_, step.node->output());
    if (!found || !is_made(*found->other, Rep::reals)) return;
    step.add = found->add;
    step.residual = program_.slot(*found->other, Rep::reals);
    step.results = {program_.slot(found->add->output(), Rep::reals)};
  }

  // The same on codes in the form `rep`, with the activation behind the Add.
  Status fuse_residual_codes(Step& step, const Kernel& by_default, Rep rep) {
    if (!step.kernel->residual || !by_default.residual || step.activation != nullptr) return {};
    const auto found = find_residual_add(program_, step.node->output());
    if (!found) return {};
    const ir::Value& other = *found->other;
    if (!is_there(other)) return {};
    Step add = plain_step(program_, *found->add);
    std::optional<integer::Form> form = form_with_activation(*found->add, add);
    if (!form) form = own_form(*found->add);
    if (!form || find_kernel(*form, program_.isa, false) != &native::kAddI8) return {};
    auto prepared = native::kAddI8.prepare_form(*form, program_.isa);
    if (!prepared) return prepared.error().in(found->add->label());
    require(other, rep);
    step.add = found->add;
    step.activation = add.activation;
    step.residual = program_.slot(other, rep);
    step.results = {program_.slot(step.last().output(), rep)};
    step.add_prepared = std::move(*prepared);
    return {};
  }

  bool is_made(const ir::Value& value, Rep rep) const { return made_[static_cast<size_t>(program_.slot(value, rep))]; }

  bool is_there(const ir::Value& value) const {
    return is_made(value, Rep::reals) || is_made(value, Rep::codes) || is_made(value, Rep::codes_last);
  }

  // Adds the step of a node. `rows` may run it on codes. Errors: usage (another kernel was chosen).
  Status push_chosen(Step step, std::vector<const Kernel*> rows) {
    step.candidates = std::move(rows);
    if (!step.view && !program_.options.reference) {
      for (const Kernel* kernel : kernels_for(step.shown(), program_.isa, program_.options.reassociate)) {
        step.candidates.push_back(kernel);
      }
    }
    EDGESMITH_TRY(check_choice(program_, step));
    push(std::move(step));
    return {};
  }

  void push(Step step) {
    if (step.add != nullptr) fused_[static_cast<size_t>(step.add->id())] = true;
    if (step.activation != nullptr) fused_[static_cast<size_t>(step.activation->id())] = true;
    for (const int slot : step.results) made_[static_cast<size_t>(slot)] = true;
    program_.steps.push_back(std::move(step));
  }

  // Adds the conversion that makes a form of `value`, unless it is there.
  void require(const ir::Value& value, Rep rep) {
    const int slot = program_.slot(value, rep);
    if (made_[static_cast<size_t>(slot)] || program_.constants[static_cast<size_t>(slot)].valid()) return;
    if (program_.known(value)) return make_constant_codes(value, slot);
    Step step;
    step.node = &value.node();
    step.converted = &value;
    step.results = {slot};
    if (rep == Rep::reals) {
      step.conversion = Conversion::dequantize;
      step.operands = {program_.slot(value, is_made(value, Rep::codes_last) ? Rep::codes_last : Rep::codes)};
    } else if (const Rep other = rep == Rep::codes ? Rep::codes_last : Rep::codes; is_made(value, other)) {
      step.conversion = Conversion::change_layout;
      step.operands = {program_.slot(value, other)};
    } else {
      step.conversion = Conversion::quantize;
      step.operands = {program_.slot(value, Rep::reals)};
    }
    push(std::move(step));
  }

  void make_constant_codes(const ir::Value& value, int slot) {
    const ir::Tensor reals = program_.constants[static_cast<size_t>(value.id())];
    // Kernels may read whole vectors past the end.
    const int64_t count = reals.size();
    const ir::Tensor padded = ir::Tensor::zeros(value.quant()->dtype, {count + kArenaAlignment});
    ir::Tensor codes(value.quant()->dtype, reals.dims(), padded.bytes().first(static_cast<size_t>(count)),
                     std::make_shared<ir::Tensor>(padded));
    const Layout layout = program_.rep_of(slot) == Rep::codes_last ? Layout::channels_last : Layout::row_major;
    integer::quantize(*integer::code_type(&*value.quant()), reals.dims(), reals.data<float>().data(), layout,
                      const_cast<std::byte*>(codes.bytes().data()));
    program_.constants[static_cast<size_t>(slot)] = std::move(codes);
  }

  // The step of `node` on codes, its operands being there; nothing when it computes on reals. `rows` become those that
  // could run it on codes.
  Result<std::optional<Step>> codes_step(const ir::Node& node, std::vector<const Kernel*>& rows) {
    if (!integer_arithmetic() || node.num_outputs() != 1) return std::optional<Step>();
    Step step = plain_step(program_, node);
    std::optional<integer::Form> form = form_with_activation(node, step);
    if (!form) form = own_form(node);
    const ir::Value& result = step.last().output();
    if (!form || node.input(0)->type().rank() < 0 || result.type().rank() < 0) return std::optional<Step>();
    if (is_view(node) && step.activation == nullptr && same_codes(*node.input(0), result)) {
      require(*node.input(0), Rep::codes);
      step.view = true;
      step.operands[0] = program_.slot(*node.input(0), Rep::codes);
      step.results = {program_.slot(result, Rep::codes)};
      return std::optional(std::move(step));
    }
    const Kernel* const by_default = step.kernel = find_kernel(*form, program_.isa, program_.options.reference);
    if (step.kernel == nullptr) return std::optional<Step>();
    if (!program_.options.reference) rows = kernels_for(*form, program_.isa);
    if (const std::string* name = find_choice(program_, node); name != nullptr) {
      const auto chosen = std::find_if(rows.begin(), rows.end(), [&](auto* row) { return full_name(*row) == *name; });
      if (chosen == rows.end()) return std::optional<Step>();  // on reals, or check_choice refuses it
      step.kernel = *chosen;
    }
    const ir::Value* input = node.input(0);
    if (const auto pads = code_pads(input->node())) {
      step.pad = &input->node();
      input = step.pad->input(0);
      const PaddedConv padded = with_pads(program_, node, *step.pad, *pads);
      step.padded_graph = padded.graph;
      step.padded_node = form->node = padded.node;
    }
    const Rep rep = rep_for(*step.kernel, *input);
    for (const int operand : ops::quant_facts(node).data_operands) {
      const ir::Value* value = operand == 0 ? input : node.input(operand);
      if (value == nullptr) continue;
      require(*value, rep);
      step.operands[static_cast<size_t>(operand)] = program_.slot(*value, rep);
    }
    step.results = {program_.slot(result, form->real_result ? Rep::reals : rep)};
    if (step.kernel->prepare_form != nullptr) {
      auto prepared = step.kernel->prepare_form(*form, program_.isa);
      if (!prepared) return prepared.error().in(node.label());
      step.prepared = std::move(*prepared);
    }
    EDGESMITH_TRY(fuse_residual_codes(step, *by_default, rep));
    return std::optional(std::move(step));
  }

  std::optional<integer::Form> own_form(const ir::Node& node) const {
    return integer::make_form(node, node.output(), -kInfinity, kInfinity, program_.options.arithmetic);
  }

  // The form of `node` together with the relu or clip that is its only reader; sets step.activation.
  std::optional<integer::Form> form_with_activation(const ir::Node& node, Step& step) const {
    const ir::Value& value = node.output();
    const bool computes = ops::quant_facts(node).kind == ops::QuantFacts::Kind::compute;
    if (!computes || value.quant() || value.uses().size() != 1 || value.uses()[0].index != 0) return std::nullopt;
    if (program_.observed(value)) return std::nullopt;
    const ir::Node& reader = *value.uses()[0].node;
    if (reader.is(OpKind::output)) return std::nullopt;
    const auto clamp = as_clamp(program_, reader);
    if (!clamp) return std::nullopt;
    auto form = integer::make_form(node, reader.output(), clamp->lo, clamp->hi, program_.options.arithmetic);
    if (form) step.activation = &reader;
    return form;
  }

  static bool same_codes(const ir::Value& a, const ir::Value& b) {
    return a.quant() && b.quant() && a.quant()->same_codes(*b.quant());
  }

  // The form in which the kernel takes its operands.
  Rep rep_for(const Kernel& kernel, const ir::Value& operand) const {
    if (!kernel.layout) {
      const bool last = made_[static_cast<size_t>(program_.slot(operand, Rep::codes_last))];
      return last ? Rep::codes_last : Rep::codes;
    }
    return *kernel.layout == Layout::channels_last ? Rep::codes_last : Rep::codes;
  }

  static constexpr float kInfinity = std::numeric_limits<float>::infinity();

  Program& program_;
  const ir::Graph& graph_;
  std::vector<bool> fused_;                                                              // by node id
  std::vector<bool> made_;                                                               // by slot
  std::map<int, std::vector<std::pair<const ir::Node*, std::optional<Step>>>> waiting_;  // by the node of an Add
};

}  // namespace

Result<Program> compile(const ir::Graph& graph, const ExecutorOptions& options, Isa isa,
                        std::vector<ir::DType> rounding) {
  Program program;
  program.rounding = std::move(rounding);
  program.graph = &graph;
  program.options = options;
  program.isa = isa;
  program.constants.resize(static_cast<size_t>(program.num_slots()));
  program.by_dims.resize(static_cast<size_t>(program.num_values()));
  for (const ir::Node& node : graph.nodes()) {  // all first: the bounds of a clip may come after what it is fused into
    if (node.is(OpKind::constant)) EDGESMITH_TRY(add_constant(program, node.output(), node.tensor()));
  }
  Compiler compiler(program);
  for (const ir::Node& node : graph.nodes()) {
    if (ir::is_structural(node)) continue;
    EDGESMITH_TRY(check_known(node));
    if (node.subgraphs != nullptr && !options.reference && !program.bodies) program.bodies = std::make_shared<Bodies>();
    auto folded = fold(program, node);
    if (!folded) return folded.error();
    if (*folded) continue;
    if (node.subgraphs == nullptr && (node.is(OpKind::shape) || program.depends_on_dims_alone(node))) {
      for (int i = 0; i < node.num_outputs(); ++i) program.by_dims[static_cast<size_t>(node.output(i).id())] = true;
    }
    std::optional<Step> plain;
    if (options.observed.empty()) {
      auto step = make_step(program, node);
      if (!step) return step.error();
      program.plain_steps.push_back(*step);
      finish(program, program.plain_steps.back());
      plain = std::move(*step);
    }
    EDGESMITH_TRY(compiler.add(node, std::move(plain)));
  }
  compiler.finish_outputs();
  EDGESMITH_TRY(check_every_choice(program));
  return program;
}

}  // namespace edgesmith::runtime

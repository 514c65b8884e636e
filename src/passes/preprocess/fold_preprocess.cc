// SPDX-License-Identifier: Apache-2.0
// Moves the preprocessing that is declared for a model into its graph, so that a device only decodes.
//
//   picture ─▶ bgr ─▶ * scale ─▶ - mean ─▶ / std ─▶ nchw ─▶ %x ─▶ conv w         decoded bytes differ from what %x
//   takes picture ───────────────────────────────────────────────▶ %x ─▶ conv w'       => they are the same
//
// What stays: decoding, gray, resize, crop. The metadata say afterwards what is left to do, and what was moved.
#include <algorithm>

#include "data/pipeline.h"
#include "data/signature.h"
#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/ops/op_info.h"
#include "passes/preprocess/first_layer.h"
#include "passes/rewrite.h"

namespace edgesmith::passes {
namespace {

using data::Preprocess;
using ir::OpKind;
using ir::Tensor;

const OptionSchema& fold_options() {
  static const OptionSchema kSchema = {
      {.name = "input",
       .kind = OptionKind::word,
       .fallback = "keep",
       .help = "what the model takes afterwards: keep (floats), or uint8, as decoders give it",
       .words = {"keep", "uint8"}},
      {.name = "input_layout",
       .kind = OptionKind::word,
       .fallback = "keep",
       .help = "order of its dims afterwards: nhwc is what decoders give",
       .words = {"keep", "nhwc", "nchw"}},
  };
  return kSchema;
}

/// One input with what is declared for it.
class InputFold {
 public:
  InputFold(ir::Graph& graph, ir::Value& input, const Preprocess& declared, const Options& options)
      : graph_(graph), input_(input), declared_(declared), left_(declared), options_(options) {}

  /// Errors: unsupported (no float32 input), usage (lists of another length than the channels).
  Result<Change> run(PassContext& context) {
    const bool nhwc = declared_.layout == "nhwc", picture = input_.type().rank() == 4;
    axis_ = input_.type().rank() < 2 ? -1 : nhwc ? input_.type().rank() - 1 : 1;
    auto arithmetic = declared_arithmetic();
    if (!arithmetic) return arithmetic.error();
    const bool to_bytes = options_.word("input") == "uint8" && input_.type().dtype != ir::DType::u8;
    const std::string& layout = options_.word("input_layout");
    const bool turn = picture && layout != "keep" && layout != declared_.layout;
    if (arithmetic->nothing() && !to_bytes && !turn) return Change::none;
    if (input_.type().dtype != ir::DType::f32) {
      return unsupported_error("input '" + input_.name() + "' is " + std::string(ir::dtype_name(input_.type().dtype)) +
                                   "; fold-preprocess works on float32 inputs",
                               "run it before the model is converted");
    }
    Remainder rest{*arithmetic, "", ""};
    if (!arithmetic->nothing()) rest = move_into_first_layer(graph_, input_, axis_, *arithmetic);
    ir::Value* head = &input_;
    if (turn) head = &transposed(layout == "nhwc");
    if (to_bytes) head = &cast_from_bytes(*head);
    head = &compute(*head, rest.arithmetic);
    // Codes are those of what the model computes on.
    if (head != &input_ && input_.quant()) {
      head->set_quant(input_.quant());
      input_.set_quant(std::nullopt);
    }
    note(*arithmetic, rest, to_bytes, turn, context);
    return Change::changed;
  }

  /// What is left to do before the input, and what the graph does now.
  const Preprocess& left() const { return left_; }
  const Preprocess& folded() const { return folded_; }

 private:
  Result<InputArithmetic> declared_arithmetic() {
    const size_t channels = std::max(declared_.mean.size(), declared_.std.size());
    const ir::Dim known = axis_ < 0 ? ir::Dim() : (*input_.type().shape)[static_cast<size_t>(axis_)];
    for (const auto* list : {&declared_.mean, &declared_.std}) {
      if (list->size() <= 1 || (known.known() && static_cast<int64_t>(list->size()) == known.value())) continue;
      return usage_error("preprocessing of input '" + input_.name() + "': " + std::to_string(list->size()) +
                             " numbers for its channels, it is " + input_.type().text(),
                         "give one for each channel, or a single one");
    }
    InputArithmetic arithmetic;
    const auto of = [](const std::vector<double>& list, size_t c, double absent) {
      return list.empty() ? absent : list.size() == 1 ? list[0] : list[c];
    };
    for (size_t c = 0; c < std::max<size_t>(channels, 1); ++c) {
      const double deviation = of(declared_.std, c, 1);
      arithmetic.factor.push_back(declared_.scale / deviation);
      arithmetic.shift.push_back(0 - of(declared_.mean, c, 0) / deviation);
    }
    const auto same = [](const std::vector<double>& list) {
      return std::all_of(list.begin(), list.end(), [&](double number) { return number == list[0]; });
    };
    if (same(arithmetic.factor) && same(arithmetic.shift)) {
      arithmetic.factor.resize(1);
      arithmetic.shift.resize(1);
    }
    folded_.layout = declared_.layout;
    folded_.scale = declared_.scale, folded_.mean = declared_.mean, folded_.std = declared_.std;
    left_.scale = 1, left_.mean.clear(), left_.std.clear();
    if (declared_.color == "bgr" && known.known() && known.value() == 3) {
      arithmetic.source = {2, 1, 0};
      folded_.color = "bgr", left_.color = "rgb";
    }
    return arithmetic;
  }

  /// The first node that is no input and no constant: everything new goes before it.
  ir::Node& front() const {
    for (ir::Node& node : graph_.nodes()) {
      if (!node.is(OpKind::input) && !node.is(OpKind::constant)) return node;
    }
    return graph_.output_node();
  }

  /// Puts `node`, which reads `before`, between it and all of its other readers.
  static ir::Value& between(ir::Graph& graph, ir::Value& before, ir::Node& node) {
    graph.replace_all_uses(before, node.output());
    graph.set_input(node, 0, &before);
    return node.output();
  }

  ir::Value& transposed(bool to_nhwc) {
    const ir::Shape old = *input_.type().shape;
    const ir::Ints perm = to_nhwc ? ir::Ints{0, 3, 1, 2} : ir::Ints{0, 2, 3, 1};
    ir::Node& node = graph_.insert_before(front(), OpKind::transpose, {&input_});
    node.attributes().set("perm", perm);
    ir::Type type = input_.type();
    for (size_t d = 0; d < perm.size(); ++d) (*type.shape)[static_cast<size_t>(perm[d])] = old[d];
    ir::Value& output = between(graph_, input_, node);
    output.set_type(input_.type());
    input_.set_type(type);
    left_.layout = to_nhwc ? "nhwc" : "nchw";
    return output;
  }

  ir::Value& cast_from_bytes(ir::Value& head) {
    ir::Node& node = &head == &input_ ? graph_.insert_before(front(), OpKind::cast, {&head})
                                      : graph_.insert_before(*head.node().next(), OpKind::cast, {&head});
    node.attributes().set("to", static_cast<int64_t>(ir::DType::f32));
    ir::Value& output = between(graph_, head, node);
    for (ir::Value* value : {&input_, &head}) {
      ir::Type type = value->type();
      if (value == &head) output.set_type({ir::DType::f32, type.shape});
      type.dtype = ir::DType::u8;
      value->set_type(type);
    }
    return output;
  }

  /// x[source] - zero, then * factor, each only where it does something.
  ir::Value& compute(ir::Value& head, const InputArithmetic& arithmetic) {
    ir::Value* at = &head;
    const auto add = [&](OpKind op, Tensor tensor) {
      ir::Node& place = at == &input_ ? front() : *at->node().next();
      ir::Value& operand = graph_.add_constant(std::move(tensor), {}, &place);
      ir::Node& node = graph_.insert_before(place, op, {at, &operand});
      if (op == OpKind::gather) node.attributes().set("axis", static_cast<int64_t>(axis_));
      at = &between(graph_, *at, node);
    };
    if (!arithmetic.source.empty()) {
      add(OpKind::gather, Tensor::of<int64_t>({static_cast<int64_t>(arithmetic.source.size())}, arithmetic.source));
    }
    if (arithmetic.shifts()) {
      std::vector<float> zeros;
      for (size_t c = 0; c < arithmetic.shift.size(); ++c) zeros.push_back(static_cast<float>(arithmetic.zero_at(c)));
      add(OpKind::sub, along_channels(zeros));
    }
    if (arithmetic.scales()) {
      add(OpKind::mul, along_channels(std::vector<float>(arithmetic.factor.begin(), arithmetic.factor.end())));
    }
    return *at;
  }

  Tensor along_channels(const std::vector<float>& numbers) const {
    if (numbers.size() == 1) return Tensor::scalar(numbers[0]);
    ir::Dims dims(static_cast<size_t>(input_.type().rank() - axis_), 1);
    dims[0] = static_cast<int64_t>(numbers.size());
    return Tensor::of<float>(dims, numbers);
  }

  void note(const InputArithmetic& declared, const Remainder& rest, bool to_bytes, bool turn, PassContext& context) {
    std::string text = "input '" + input_.name() + "'";
    std::vector<std::string> parts;
    if (!rest.into.empty()) parts.push_back("its preprocessing went into the weights of " + rest.into);
    if (!rest.arithmetic.nothing() && !declared.nothing()) {
      parts.push_back((rest.into.empty() ? "its preprocessing" : "one subtraction") + std::string(" stays, because ") +
                      rest.why);
    }
    if (to_bytes) parts.push_back("it takes uint8");
    if (turn) parts.push_back("it takes " + left_.layout);
    context.notes.push_back(text + ": " + join(parts, "; "));
  }

  ir::Graph& graph_;
  ir::Value& input_;
  const Preprocess declared_;
  Preprocess left_, folded_;
  const Options& options_;
  int axis_ = -1;
};

/// What is declared for `input`, as data sets apply it: under its name, else the common entry for floats.
const Preprocess* declared_for(const data::PreprocessTable& table, const data::ModelInput& input, size_t inputs) {
  const auto find = [&](const std::string& name) {
    const auto row = std::find_if(table.begin(), table.end(), [&](const auto& one) { return one.first == name; });
    return row == table.end() ? nullptr : &row->second;
  };
  if (const Preprocess* own = find(input.name)) return own;
  return input.batched && (ir::is_float(input.type.dtype) || inputs == 1) ? find("") : nullptr;
}

Result<Change> run_fold_preprocess(ir::Graph& graph, const Options& options, PassContext& context) {
  const std::string* stored = graph.find_metadata(data::kPreprocessKey);
  data::PreprocessTable table;
  if (stored != nullptr && !stored->empty()) {
    auto read = data::preprocess_from_json(*stored);
    if (!read) return read.error();
    table = std::move(*read);
  }
  if (table.empty() && options.word("input") == "keep" && options.word("input_layout") == "keep") {
    context.notes.push_back(
        "no preprocessing is declared: give --scale, --mean, --std, data that declare some, or a "
        "model that remembers it");
    return Change::none;
  }
  if (table.empty()) table.emplace_back("", Preprocess());
  const data::Signature signature = data::signature_of(graph);
  Change change = Change::none;
  data::PreprocessTable left, folded;
  const std::vector<ir::Value*> inputs = graph.inputs();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const data::ModelInput& input = signature.inputs[i];
    const Preprocess* known = declared_for(table, input, inputs.size());
    if (known == nullptr) continue;
    Preprocess declared = *known;
    if (data::Pipeline::takes_nhwc(input, declared)) declared.layout = "nhwc";
    InputFold fold(graph, *inputs[i], declared, options);
    const auto one = fold.run(context);
    if (!one) return one;
    const std::string name = inputs.size() == 1 ? "" : input.name;
    left.emplace_back(name, fold.left());
    if (*one == Change::none) continue;
    change = Change::changed;
    folded.emplace_back(name, fold.folded());
  }
  if (change == Change::none) {
    context.notes.push_back("the declared preprocessing is nothing that a graph can do: " +
                            (stored != nullptr ? *stored : std::string("{}")));
    return change;
  }
  graph.set_metadata(data::kPreprocessKey, data::preprocess_json(left));
  graph.set_metadata(data::kFoldedKey, data::preprocess_json(folded));
  return change;
}

}  // namespace

extern const PassInfo fold_preprocess_pass = {
    "fold-preprocess",
    "move scale, mean, std, channel order and layout of the inputs into the graph",
    fold_options,
    run_fold_preprocess,
    true,
    false};

}  // namespace edgesmith::passes

// SPDX-License-Identifier: Apache-2.0
// From a file to a graph with types: is it ONNX at all, the model message, the graph, inference, checks, annotations.
#include "edgesmith/onnx/import.h"

#include <cmath>
#include <filesystem>

#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/ir/structural.h"
#include "edgesmith/ir/verifier.h"
#include "edgesmith/ops/op_info.h"
#include "ir/scan.h"
#include "onnx/compound.h"
#include "onnx/forms.h"
#include "onnx/functions.h"
#include "onnx/import_graph.h"
#include "onnx/node_order.h"
#include "onnx/sniff.h"
#include "onnx/tensor_io.h"

namespace edgesmith::onnx {
namespace {

constexpr int64_t kOldestIr = 3;
constexpr int64_t kMostInnerNodes = 200'000;  // far above any model's subgraphs and functions

Error not_onnx(const Sniffed& sniffed) { return invalid_error("not an ONNX model: " + sniffed.what, sniffed.hint); }

/// The model message, or why this is none.
Result<ModelView> read_model(wire::Bytes bytes) {
  const Sniffed sniffed = sniff(bytes);
  if (sniffed.sure) return not_onnx(sniffed);
  wire::Reader reader({bytes, bytes.data()});
  wire::Field field;
  bool begins_well = false;
  while (reader.next(field)) begins_well |= field.is(model_field::ir_version, wire::WireType::varint);
  if (!reader.status().ok()) {
    if (!begins_well || !reader.cut_off()) return not_onnx(sniffed);
    return invalid_error(
        "is cut off after " + std::to_string(bytes.size()) + " bytes (" + reader.status().error().message + ")",
        "download or copy the file again");
  }
  auto model = parse_model({bytes, bytes.data()});
  if (!begins_well || (model.ok() && !model->has_graph)) return not_onnx(sniffed);
  if (!model) return model.error().in("damaged file");
  return model;
}

/// The version of the default domain, 0 when it is not imported.
Result<int64_t> default_opset(const ModelView& model) {
  int64_t opset = 0;
  for (const OpsetImport& import : model.opsets) {
    if (!canonical_domain(import.domain).empty()) continue;
    if (opset != 0 && opset != import.version) {
      return invalid_error("imports two opsets of the default domain, " + std::to_string(opset) + " and " +
                           std::to_string(import.version));
    }
    opset = import.version;
  }
  return opset;
}

Status check_opset(const ModelView& model, const GraphView& graph, int64_t opset) {
  if (opset == 0) {
    for (const NodeView& node : graph.nodes) {
      if (!node.domain.empty()) continue;
      if (model.ir_version < kOldestIr) {
        return unsupported_error(describe(node) + ": opset 1 is older than " + std::to_string(kOldestOpset),
                                 "convert the model with onnx.version_converter");
      }
      return invalid_error(describe(node) + ": the model imports no opset of the default domain");
    }
  }
  if (opset > kNewestOpset) {
    log::warning("opset " + std::to_string(opset) + " is newer than " + std::to_string(kNewestOpset) +
                 ", the newest known; operators are taken to mean the same");
  }
  return {};
}

/// The first element that is NaN or infinite, or 0. Looks at mapped float data in place: they may be large.
float not_finite(const ir::Tensor& tensor) {
  if (tensor.encoding() == ir::Encoding::palette) return not_finite(tensor.codebooks());
  if (tensor.encoding() != ir::Encoding::dense || tensor.dtype() != ir::DType::f32) {
    for (float value : tensor.to_floats()) {
      if (!std::isfinite(value)) return value;
    }
    return 0;
  }
  return ir::first_not_finite(tensor.bytes());
}

/// Initializers that are also inputs are constants here. Old exporters make inputs of all, which nobody feeds (passes
/// add a few that are none); who makes inputs of some has defaults in mind. True when there are such.
bool warn_of_defaults(const ModelView& model, const GraphView& graph) {
  if (model.ir_version < kIrWithFreeInitializers) return false;
  std::set<std::string_view> inputs;
  for (const ValueInfoView& input : graph.inputs) inputs.insert(input.name);
  std::string names;
  size_t count = 0;
  for (const TensorView& tensor : graph.initializers) {
    if (inputs.count(tensor.name) == 0) continue;
    if (++count <= 3) names += (count == 1 ? "'" : ", '") + std::string(tensor.name) + "'";
  }
  if (count == 0 || 2 * count > graph.initializers.size()) return false;
  if (count > 3) names += " and " + std::to_string(count - 3) + " more";
  log::warning("inputs with defaults are taken for constants, here and in files that are written from this one: " +
               names);
  return true;
}

/// Keeps what tells whether passes left the defaults alone.
void note_defaults(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    const ConstantForeign* constant = overridable(node);
    if (constant == nullptr) continue;
    auto noted = std::make_shared<ConstantForeign>(*constant);
    noted->original = {node.output().uses().size(), node.tensor()};
    node.foreign = std::move(noted);
  }
}

/// NaN and infinity in the weights of Conv, Gemm and MatMul make every answer useless.
Status check_weights(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::conv) && !node.is(ir::OpKind::conv_transpose) && !node.is(ir::OpKind::gemm) &&
        !node.is(ir::OpKind::mat_mul)) {
      continue;
    }
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Tensor* tensor = node.input(i) != nullptr ? node.input(i)->constant() : nullptr;
      if (tensor == nullptr || !ir::is_float(tensor->dtype())) continue;
      const float value = not_finite(*tensor);
      if (value == 0) continue;
      return invalid_error(node.label() + ": tensor '" + node.input(i)->name() + "' holds " +
                               (std::isnan(value) ? "NaN" : "an infinity"),
                           "the training diverged or the file is damaged");
    }
  }
  return {};
}

/// Completes types that inference left open by what the source declared. True when something was learnt.
bool adopt_declared_types(const BuiltGraph& built) {
  bool learnt = false;
  for (const auto& [value, declared] : built.value_infos) {
    const auto merged = ir::merge(value->type(), declared);
    if (!merged || *merged == value->type()) continue;
    value->set_type(*merged);
    learnt = true;
  }
  return learnt;
}

/// Where a softmax of an old opset turns out to run along the last axis, or over one number, it is one of the new kind.
void settle_softmax(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    if (node.num_inputs() == 0 || !node.attributes().has("coerce_2d") || node.input(0) == nullptr) continue;
    const int rank = node.input(0)->type().rank();
    if (rank < 0 || (rank > 0 && node.attributes().get_int("axis", 1) != rank - 1)) continue;
    node.attributes().erase("coerce_2d");
    node.attributes().set("axis", int64_t{-1});
  }
}

/// Positions of nodes whose form their operator does not support, given the types.
Result<std::set<size_t>> unsupported_nodes(const BuiltGraph& built) {
  std::set<size_t> positions;
  for (const ir::Node& node : built.graph.nodes()) {
    const Status status = ops::verify_node(node);
    if (status.ok()) continue;
    const size_t position = built.file_position[static_cast<size_t>(node.id())];
    if (status.error().kind != ErrorKind::unsupported || position == SIZE_MAX) return status.error();
    log::debug("kept as it is: " + status.error().message);
    positions.insert(position);
  }
  return positions;
}

/// Takes the types of what compound operators read that could not be spelled out: they may have asked for a rank. True
/// when there was one to learn.
bool learn_types(const BuiltGraph& built, const GraphView& view, ImportSource& source) {
  bool learnt = false;
  for (const ir::Node& node : built.graph.nodes()) {
    if (!node.is(ir::OpKind::opaque) || node.subgraphs != nullptr) continue;
    const size_t position = built.file_position[static_cast<size_t>(node.id())];
    if (position == SIZE_MAX || find_compound(view.nodes[position]) == nullptr) continue;
    for (int i = 0; i < node.num_inputs(); ++i) {
      const ir::Value* value = node.input(i);
      if (value == nullptr || !value->type().has_rank() || ir::is_structural(value->node())) continue;
      learnt = source.learnt.emplace(value->name(), value->type()).second || learnt;
    }
  }
  return learnt;
}

/// Builds, infers and verifies; nodes in a form that is not supported become opaque, and the rest is built again. So it
/// is when inference told the ranks that compound operators ask for.
Result<BuiltGraph> build_typed(const GraphView& view, ImportSource& source) {
  while (true) {
    *source.inner_nodes_left = kMostInnerNodes;
    auto built = build_graph(view, source);
    if (!built) return built.error();
    EDGESMITH_TRY(ops::infer_types(built->graph));
    if (adopt_declared_types(*built)) EDGESMITH_TRY(ops::infer_types(built->graph));
    settle_softmax(built->graph);
    auto refused = unsupported_nodes(*built);
    if (!refused) return refused.error();
    if (refused->empty() && !learn_types(*built, view, source)) return built;
    source.forced_opaque.insert(refused->begin(), refused->end());
  }
}

bool has_external_data(const GraphView& graph) {
  for (const TensorView& tensor : graph.initializers) {
    if (tensor.external) return true;
  }
  return false;
}

std::shared_ptr<ModelForeign> keep_model(const ModelView& model, const GraphView& graph, int64_t opset) {
  auto foreign = std::make_shared<ModelForeign>();
  foreign->ir_version = model.ir_version;
  foreign->opset = opset;
  foreign->opsets = model.opsets;
  foreign->producer = std::string(model.producer_name);
  if (!model.producer_version.empty()) foreign->producer += " " + std::string(model.producer_version);
  foreign->external_data = has_external_data(graph);
  foreign->model_extra = model.extra;
  foreign->graph_extra = graph.extra;
  for (Bytes annotation : graph.quantization_annotations) {
    foreign->quantization_annotations.emplace_back(wire::as_text(annotation));
  }
  foreign->called = called_functions(model.functions, graph.nodes);
  for (const ValueInfoView& input : graph.inputs) foreign->input_order.emplace_back(input.name);
  for (const ValueInfoView& output : graph.outputs) {
    foreign->outputs.push_back({output.type, std::string(wire::as_text(output.message.bytes))});
  }
  return foreign;
}

Result<ir::Graph> import_model(wire::Bytes bytes, std::shared_ptr<const void> owner, const std::string& folder,
                               const ImportOptions& options) {
  auto model = read_model(bytes);
  if (!model) return model.error();
  auto opset = default_opset(*model);
  if (!opset) return opset.error();
  auto view = parse_graph(model->graph);
  if (!view) return view.error().in("damaged file");
  EDGESMITH_TRY(check_opset(*model, *view, *opset));
  const bool defaults = warn_of_defaults(*model, *view);
  ExternalData files(folder);
  int64_t inner_nodes_left = 0;
  ImportSource source{*model, std::move(owner), files, *opset, {}, nullptr, 0, &inner_nodes_left};
  for (size_t n = 0; options.keep_quantized_operators && n < view->nodes.size(); ++n) {
    const CompoundRow* row = find_compound(view->nodes[n]);
    if (row != nullptr && row->makes_annotations) source.forced_opaque.insert(n);
  }
  auto built = build_typed(*view, source);
  if (!built) return built.error();
  ir::Graph graph = std::move(built->graph);
  graph.metadata = model->metadata;
  auto foreign = keep_model(*model, *view, *opset);
  for (const auto& [location, file] : files.opened()) {
    foreign->external_files.push_back(file->path());
    foreign->external_bytes += static_cast<int64_t>(file->bytes().size());
  }
  graph.foreign = std::move(foreign);
  find_palettes(graph);
  EDGESMITH_TRY(check_weights(graph));
  annotate_quantization(graph);
  if (defaults) note_defaults(graph);
  EDGESMITH_TRY(ir::verify(graph));
  return graph;
}

}  // namespace

Result<ir::Graph> import_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                               const std::string& folder, const std::string& name_for_errors,
                               const ImportOptions& options) {
  auto graph = import_model(bytes, std::move(owner), folder, options);
  if (graph) return graph;
  Error error = graph.error().in(name_for_errors);
  if (error.kind == ErrorKind::invalid && error.hint.empty()) error.hint = "export the model again";
  return error;
}

Result<ir::Graph> import_file(const std::string& path, const ImportOptions& options) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  return import_bytes((*file)->bytes(), *file, std::filesystem::path(path).parent_path().string(), path, options);
}

Result<NamedTensor> import_tensor_file(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  const wire::Bytes bytes = (*file)->bytes();
  auto view = parse_tensor({bytes, bytes.data()});
  if (!view) return invalid_error(path + ": not an ONNX tensor (" + view.error().message + ")");
  ExternalData files(std::filesystem::path(path).parent_path().string());
  auto tensor = decode_tensor(*view, *file, files);
  if (!tensor) return tensor.error().in(path);
  return NamedTensor{std::string(view->name), *std::move(tensor)};
}

ir::ForeignPtr foreign_of_part(const ir::Graph& graph) {
  const auto* whole = foreign_as<ModelForeign>(graph.foreign);
  if (whole == nullptr) return nullptr;
  auto part = std::make_shared<ModelForeign>(*whole);
  part->external_data = false;
  part->quantization_annotations.clear();
  part->input_order.clear();
  part->outputs.clear();
  return part;
}

SourceInfo source_info(const ir::Graph& graph) {
  SourceInfo info;
  if (const auto* foreign = foreign_as<ModelForeign>(graph.foreign)) {
    info.ir_version = foreign->ir_version;
    info.opset = foreign->opset;
    info.producer = foreign->producer;
    info.external_data = foreign->external_data;
    info.external_files = foreign->external_files;
    info.external_bytes = foreign->external_bytes;
  }
  return info;
}

}  // namespace edgesmith::onnx

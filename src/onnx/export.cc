// SPDX-License-Identifier: Apache-2.0
// From a graph to a file: the opset, the names, the lowered graph, then the messages of onnx.proto.
#include "edgesmith/onnx/export.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "edgesmith/base/file.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/ir/subgraphs.h"
#include "edgesmith/ops/op_info.h"
#include "onnx/encode.h"
#include "onnx/export_graph.h"
#include "onnx/export_opset.h"
#include "onnx/foreign.h"
#include "onnx/functions.h"
#include "onnx/tensor_io.h"

namespace edgesmith::onnx {
namespace {

using wire::Writer;

constexpr uint64_t kLargestFile = 1'900'000'000;  // protobuf readers stop at 2 GiB
constexpr int64_t kSmallestExternal = 1024;
constexpr int64_t kAddedDomainVersion = 1;  // all of com.microsoft, which is what passes add

/// The file beside the model that takes the data of large tensors.
class ExternalWriter {
 public:
  static Result<ExternalWriter> create(const std::string& model_path) {
    ExternalWriter writer;
    auto file = AtomicFile::create(model_path + ".data");
    if (!file) return file.error();
    writer.file_ = *std::move(file);
    writer.location_ = std::filesystem::path(model_path + ".data").filename().string();
    return writer;
  }

  Writer add(const Initializer& initializer) {
    const ir::Tensor& tensor = initializer.tensor;
    // Page-aligned where it pays for whoever maps the file.
    const uint64_t alignment = tensor.bytes().size() >= 65536 ? 4096 : 64;
    const uint64_t gap = (alignment - file_->size() % alignment) % alignment;
    file_->write(std::string(gap, '\0'));
    const uint64_t offset = file_->size();
    file_->write(tensor.bytes());
    Writer out;
    for (int64_t dim : tensor.dims()) out.integer(tensor_field::dims, dim);
    out.integer(tensor_field::data_type, static_cast<int64_t>(tensor.dtype()));
    out.text(tensor_field::name, initializer.name);
    out.message(tensor_field::external_data, encode_entry("location", location_));
    out.message(tensor_field::external_data, encode_entry("offset", std::to_string(offset)));
    out.message(tensor_field::external_data, encode_entry("length", std::to_string(tensor.bytes().size())));
    out.integer(tensor_field::data_location, 1);
    out.encoded(wire::as_bytes(initializer.extra));
    return out;
  }

  uint64_t size() const { return file_->size(); }
  Status commit() { return file_->commit(); }

 private:
  ExternalWriter() = default;
  std::unique_ptr<AtomicFile> file_;
  std::string location_;
};

struct Exported {
  Writer model;
  int64_t opset = 0;
  std::vector<std::string> notes;
};

class ModelWriter {
 public:
  ModelWriter(const ir::Graph& graph, ExternalWriter* external)
      : graph_(graph), source_(foreign_as<ModelForeign>(graph.foreign)), names_(graph), external_(external) {}

  Result<Exported> run() {
    EDGESMITH_TRY(check_operators());
    auto plan = plan_opset(graph_);
    if (!plan) return plan.error();
    opset_ = plan->opset;
    ir_version_ = source_ != nullptr ? source_->ir_version : ir_version_of(opset_);
    if (!plan->note.empty()) ir_version_ = std::max(ir_version_, ir_version_of(opset_));
    lowered_ = lower_graph(graph_, names_, opset_, ir_version_ < kIrWithFreeInitializers);
    Exported exported;
    exported.opset = opset_;
    if (!plan->note.empty()) exported.notes.push_back(plan->note);
    Writer& model = exported.model;
    model.integer(model_field::ir_version, ir_version_);
    if (source_ != nullptr) model.encoded(wire::as_bytes(kept_fields()));
    model.message(model_field::graph, graph_message());
    put_opsets(model);
    for (const auto& [key, value] : graph_.metadata) {
      model.message(model_field::metadata_props, encode_entry(key, value));
    }
    return exported;
  }

 private:
  // Training graphs hold operators that ONNX lacks.
  Status check_operators() const {
    for (const ir::Node& node : graph_.nodes()) {
      if (ops::find_op(node.op()) == nullptr || !ir::onnx_name(node.op()).empty()) continue;
      return unsupported_error(node.label() + ": ONNX has no operator like " + std::string(ir::op_name(node.op())) +
                                   ", a part of training graphs",
                               "export the model without its gradients");
    }
    return {};
  }

  /// Fields of the source's model that have no place in the graph, without functions whose calls are gone.
  std::string kept_fields() const {
    std::vector<NodeView> nodes;
    for (const ir::Node& node : graph_.nodes()) {
      const auto* opaque = foreign_as<OpaqueForeign>(node.foreign);
      if (opaque == nullptr || source_->called.empty()) continue;
      if (auto view = parse_node(opaque->message); view.ok()) nodes.push_back(*std::move(view));
    }
    return without_dropped_functions(source_->model_extra, source_->called, nodes);
  }

  Writer graph_message() {
    Writer out;
    for (const Initializer& initializer : lowered_.initializers) {
      if (initializer.as_node) out.message(graph_field::node, constant_node(initializer));
    }
    for (const LoweredNode& node : lowered_.nodes) out.message(graph_field::node, encode_node(node));
    out.text(graph_field::name, graph_.name.empty() ? "graph" : graph_.name);
    for (const Initializer& initializer : lowered_.initializers) put_initializer(out, initializer);
    out.optional_text(graph_field::doc_string, graph_.doc);
    put_inputs(out);
    put_outputs(out);
    put_value_infos(out);
    if (source_ == nullptr) return out;
    for (const std::string& annotation : source_->quantization_annotations) put_annotation(out, annotation);
    out.encoded(wire::as_bytes(source_->graph_extra));
    return out;
  }

  void put_opsets(Writer& model) {
    // A source without the default domain goes out without it, unless a node of it was added.
    bool has_default = source_ != nullptr && std::all_of(lowered_.nodes.begin(), lowered_.nodes.end(),
                                                         [](const LoweredNode& node) { return !node.encoded.empty(); });
    for (const OpsetImport& import : source_ != nullptr ? source_->opsets : std::vector<OpsetImport>{}) {
      const bool is_default = canonical_domain(import.domain).empty();
      has_default |= is_default;
      model.message(model_field::opset_import, encode_opset(import.domain, is_default ? opset_ : import.version));
    }
    if (!has_default) model.message(model_field::opset_import, encode_opset("", opset_));
    std::set<std::string> missing;
    collect_added_domains(graph_, missing);
    for (const OpsetImport& import : source_ != nullptr ? source_->opsets : std::vector<OpsetImport>{}) {
      missing.erase(std::string(import.domain));
    }
    for (const std::string& domain : missing) {
      model.message(model_field::opset_import, encode_opset(domain, kAddedDomainVersion));
    }
  }

  /// Domains of opaque nodes that were not read from a file.
  static void collect_added_domains(const ir::Graph& graph, std::set<std::string>& domains) {
    for (const ir::Node& node : graph.nodes()) {
      if (!node.is(ir::OpKind::opaque)) continue;
      const size_t colons = node.opaque_op.rfind("::");
      if (node.foreign == nullptr && colons != node.opaque_op.npos) domains.insert(node.opaque_op.substr(0, colons));
      if (node.subgraphs == nullptr || !node.subgraphs->rewritten) continue;
      for (const ir::Graph& inner : node.subgraphs->graphs) collect_added_domains(inner, domains);
    }
  }

  // --- constants ---

  static Writer constant_node(const Initializer& initializer) {
    LoweredNode node;
    node.op = "Constant";
    node.outputs = {initializer.name};
    node.attributes.set("value", initializer.tensor);
    return encode_node(node);
  }

  void put_initializer(Writer& out, const Initializer& initializer) {
    if (initializer.as_node) return;
    const ir::Tensor& tensor = initializer.tensor;
    if (initializer.sparse) {
      Writer sparse;
      sparse.message(1, encode_tensor(tensor.codes(), initializer.name));
      sparse.message(2, encode_tensor(tensor.positions(), {}));
      for (int64_t dim : tensor.dims()) sparse.integer(3, dim);
      out.message(graph_field::sparse_initializer, std::move(sparse));
      return;
    }
    const bool large = tensor.dtype() != ir::DType::string && tensor.stored_bytes() >= kSmallestExternal;
    out.message(graph_field::initializer, external_ != nullptr && large
                                              ? external_->add(initializer)
                                              : encode_tensor(tensor, initializer.name, initializer.extra));
  }

  // --- the interface ---

  /// The source's ValueInfoProto as long as it says the same; else a new one.
  static Writer value_info(const std::string& name, const ir::Type& type, const DeclaredInfo* declared) {
    if (declared != nullptr && declared->type == type) {
      Writer out;
      out.encoded(wire::as_bytes(declared->encoded));
      return out;
    }
    return encode_value_info(name, type);
  }

  void put_inputs(Writer& out) {
    std::map<std::string, Writer> entries;
    std::vector<std::string> order;
    for (const ir::Node& node : graph_.nodes()) {
      if (node.is(ir::OpKind::input)) {
        const ir::Value& value = node.output();
        const auto* foreign = foreign_as<ValueForeign>(value.foreign);
        const std::string& name = names_.written(value);
        entries[name] = value_info(name, value.type(), foreign != nullptr ? &foreign->declared : nullptr);
        order.push_back(name);
      }
      if (const auto* constant = overridable(node); constant != nullptr && node.tensor().as_palette() == nullptr) {
        const std::string& name = names_.written(node.output());
        const bool same = ir::merge(constant->declared.type, node.output().type()).has_value();
        entries[name] = value_info(name, same ? constant->declared.type : node.output().type(), &constant->declared);
      }
    }
    std::set<std::string> done;
    const auto put = [&](const std::string& name) {
      const auto entry = entries.find(name);
      if (entry == entries.end() || !done.insert(name).second) return;
      out.message(graph_field::input, std::move(entry->second));
    };
    if (source_ != nullptr) {
      for (const std::string& name : source_->input_order) put(name);
    }
    for (const std::string& name : order) put(name);
  }

  void put_outputs(Writer& out) {
    for (int i = 0; i < graph_.num_outputs(); ++i) {
      const auto at = static_cast<size_t>(i);
      const ir::Value& value = *graph_.output_node().input(i);
      const ir::Type& declared = graph_.declared_outputs[at];
      const bool from_source = source_ != nullptr && at < source_->outputs.size();
      const bool fits = ir::merge(declared, value.type()).has_value();
      const bool says_something = declared.dtype != ir::DType::undefined || from_source;
      const ir::Type& type = fits && says_something ? declared : value.type();
      out.message(graph_field::output,
                  value_info(names_.result(i), type, from_source ? &source_->outputs[at] : nullptr));
    }
  }

  /// Types of intermediate values are left out, but for those that nobody can infer.
  void put_value_infos(Writer& out) {
    for (const ir::Node& node : graph_.nodes()) {
      if (!node.is(ir::OpKind::opaque)) continue;
      for (int i = 0; i < node.num_outputs(); ++i) {
        const ir::Value& value = node.output(i);
        const auto* foreign = foreign_as<ValueForeign>(value.foreign);
        if (foreign == nullptr || value.is_graph_output()) continue;
        const std::string& name = names_.written(value);
        const bool same = name == value.name();
        if (!same && value.type().dtype == ir::DType::undefined) continue;
        out.message(graph_field::value_info, value_info(name, same ? foreign->declared.type : value.type(),
                                                        same ? &foreign->declared : nullptr));
      }
    }
  }

  /// A TensorAnnotation of the source stays while every tensor that it names is there.
  void put_annotation(Writer& out, const std::string& encoded) {
    const std::set<std::string> names = all_names();
    wire::Reader whole({wire::as_bytes(encoded), nullptr});
    wire::Field annotation, field;
    if (!whole.next(annotation)) return;
    wire::Reader reader(annotation.message());
    while (reader.next(field)) {
      if (field.is(1, wire::WireType::bytes) && names.count(std::string(field.text())) == 0) return;
      if (!field.is(2, wire::WireType::bytes)) continue;
      wire::Reader entry(field.message());
      wire::Field part;
      while (entry.next(part)) {
        if (part.is(2, wire::WireType::bytes) && names.count(std::string(part.text())) == 0) return;
      }
    }
    out.encoded(wire::as_bytes(encoded));
  }

  std::set<std::string> all_names() const {
    std::set<std::string> names;
    for (const LoweredNode& node : lowered_.nodes) names.insert(node.outputs.begin(), node.outputs.end());
    for (const Initializer& initializer : lowered_.initializers) names.insert(initializer.name);
    for (const ir::Value* input : graph_.inputs()) names.insert(input->name());
    return names;
  }

  const ir::Graph& graph_;
  const ModelForeign* source_;
  ExportNames names_;
  ExternalWriter* external_;
  LoweredGraph lowered_;
  int64_t opset_ = 0, ir_version_ = 0;
};

bool wants_external(const ir::Graph& graph) {
  const auto* source = foreign_as<ModelForeign>(graph.foreign);
  if (source != nullptr && source->external_data) return true;
  uint64_t bytes = 0;
  for (const ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant)) bytes += static_cast<uint64_t>(node.tensor().stored_bytes());
  }
  return bytes > kLargestFile;
}

}  // namespace

Result<std::string> export_bytes(const ir::Graph& graph, const ExportOptions&) {
  auto exported = ModelWriter(graph, nullptr).run();
  if (!exported) return exported.error();
  return exported->model.str();
}

Result<uint64_t> export_size(const ir::Graph& graph, const ExportOptions&) {
  auto exported = ModelWriter(graph, nullptr).run();
  if (!exported) return exported.error();
  return exported->model.size();
}

Result<ExportSummary> export_file(const ir::Graph& graph, const std::string& path, const ExportOptions& options) {
  std::optional<ExternalWriter> external;
  if (wants_external(graph)) {
    auto created = ExternalWriter::create(path);
    if (!created) return created.error();
    external.emplace(*std::move(created));
  }
  auto exported = ModelWriter(graph, external ? &*external : nullptr).run();
  if (!exported) return exported.error().in(path);
  auto file = AtomicFile::create(path, options.existing);
  if (!file) return file.error();
  exported->model.for_each_piece([&](wire::Bytes bytes) { (*file)->write(bytes); });
  // A model that came meanwhile keeps its data, too.
  std::error_code ignored;
  const bool kept = options.existing == Existing::keep && std::filesystem::is_regular_file(path, ignored);
  if (external && !kept) EDGESMITH_TRY(external->commit());
  EDGESMITH_TRY((*file)->commit());
  ExportSummary summary;
  if (options.hash && is_stdout(path)) {
    summary.sha256 = sha256_hex(std::string_view(exported->model.str()));
  } else if (options.hash) {
    auto written = MappedFile::open(path);
    if (!written) return written.error();
    summary.sha256 = sha256_hex((*written)->bytes());
  }
  summary.bytes = (*file)->size() + (external ? external->size() : 0);
  summary.opset = exported->opset;
  summary.notes = std::move(exported->notes);
  return summary;
}

}  // namespace edgesmith::onnx

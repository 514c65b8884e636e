// SPDX-License-Identifier: Apache-2.0
#include "onnx/conformance_case.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "edgesmith/base/file.h"
#include "edgesmith/onnx/import.h"
#include "onnx/proto.h"
#include "support/reference_run.h"

namespace edgesmith::onnx {
namespace {

namespace fs = std::filesystem;

CaseResult unsupported(std::string reason) { return {Outcome::unsupported, {}, std::move(reason)}; }
CaseResult wrong(std::string reason) { return {Outcome::wrong, {}, std::move(reason)}; }
CaseResult failed(const Error& error, const std::string& folder) {
  std::string text = error.text();
  if (const size_t at = text.find(folder); at != text.npos) text.erase(at, folder.size());
  if (text.compare(0, 13, "/model.onnx: ") == 0) text.erase(0, 13);
  return error.kind == ErrorKind::unsupported ? unsupported(text) : wrong(text);
}

bool near(float got, float want, float relative, float absolute) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want) || std::isinf(got)) return got == want;
  return std::abs(got - want) <= absolute + relative * std::abs(want);
}

/// 1e-7, or that of the largest number where sums of numbers of its size were rounded.
float absolute_tolerance(const std::vector<float>& want) {
  float largest = 1;
  for (const float x : want) largest = std::isfinite(x) ? std::max(largest, std::abs(x)) : largest;
  return 1e-7F * largest;
}

/// "", or the first element in which they differ.
std::string code_difference(const ir::Tensor& got, const ir::Tensor& want) {
  if (got.identical_to(want)) return "";
  if (!ir::is_integer(want.dtype()) || ir::dtype_bits(want.dtype()) < 8) return "numbers differ";
  const std::vector<int64_t> a = got.to_int64s(), b = want.to_int64s();
  size_t i = 0;
  while (i + 1 < a.size() && a[i] == b[i]) ++i;
  return "element " + std::to_string(i) + " is " + std::to_string(a[i]) + ", should be " + std::to_string(b[i]);
}

/// "" or how the tensors differ.
std::string difference(const ir::Tensor& got, const ir::Tensor& want) {
  if (got.type() != want.type()) return "is " + got.type().text() + ", should be " + want.type().text();
  if (want.dtype() == ir::DType::string) return got.string_data() == want.string_data() ? "" : "strings differ";
  if (!ir::is_float(want.dtype())) return code_difference(got, want);
  const std::vector<float> a = got.to_floats(), b = want.to_floats();
  // What should come out was computed in halves step by step: two units in the last place.
  const float relative = want.dtype() == ir::DType::bf16 ? 1.0F / 64 : want.dtype() == ir::DType::f16 ? 2e-3F : 1e-3F;
  const float absolute = absolute_tolerance(b);
  for (size_t i = 0; i < a.size(); ++i) {
    if (!near(a[i], b[i], relative, absolute)) {
      return "element " + std::to_string(i) + " is " + std::to_string(a[i]) + ", should be " + std::to_string(b[i]);
    }
  }
  return "";
}

/// The suite stores bfloat16 as the uint16 of its bits.
ir::Tensor with_dtype(const ir::Tensor& tensor, ir::DType dtype) {
  if (dtype != ir::DType::bf16 || tensor.dtype() != ir::DType::u16) return tensor;
  const auto keep = std::make_shared<const ir::Tensor>(tensor);
  return ir::Tensor(dtype, tensor.dims(), keep->bytes(), keep);
}

Result<std::vector<ir::Tensor>> load_tensors(const std::string& folder, const std::string& prefix) {
  std::vector<ir::Tensor> tensors;
  for (int i = 0;; ++i) {
    const std::string path = folder + "/" + prefix + "_" + std::to_string(i) + ".pb";
    if (!fs::exists(path)) return tensors;
    auto named = import_tensor_file(path);
    if (!named) return named.error();
    tensors.push_back(std::move(named->tensor));
  }
}

CaseResult run_data_set(const ir::Graph& graph, const std::string& folder) {
  auto inputs = load_tensors(folder, "input");
  if (!inputs) return unsupported("an input is no tensor");
  auto wanted = load_tensors(folder, "output");
  if (!wanted) return unsupported("an output is no tensor");
  const std::vector<ir::Value*> graph_inputs = graph.inputs();
  for (size_t i = 0; i < inputs->size() && i < graph_inputs.size(); ++i) {
    (*inputs)[i] = with_dtype((*inputs)[i], graph_inputs[i]->type().dtype);
  }
  auto got = testing::reference_run(graph, *inputs);
  if (!got) return failed(got.error(), folder);
  if (got->size() != wanted->size()) return wrong("number of outputs");
  for (size_t i = 0; i < got->size(); ++i) {
    const std::string text = difference((*got)[i], with_dtype((*wanted)[i], (*got)[i].dtype()));
    if (!text.empty()) return wrong("output " + std::to_string(i) + " " + text);
  }
  return {Outcome::pass, {}, {}};
}

CaseResult run_here(const ConformanceCase& test_case, Variation variation) {
  auto imported = import_file(test_case.folder + "/model.onnx");
  if (!imported) return failed(imported.error(), test_case.folder);
  ir::Graph graph = *std::move(imported);
  if (variation != nullptr) {
    auto varied = variation(std::move(graph), test_case.folder);
    if (!varied) return failed(varied.error(), test_case.folder);
    graph = *std::move(varied);
  }
  for (const ir::Node& node : graph.nodes()) {
    const ir::Node* unknown = ops::find_unknown(node);
    if (unknown != nullptr) return unsupported("operator or form not known: " + unknown->opaque_op);
  }
  for (int i = 0;; ++i) {
    const std::string data_set = test_case.folder + "/test_data_set_" + std::to_string(i);
    if (!fs::exists(data_set)) return {Outcome::pass, {}, {}};
    const CaseResult result = run_data_set(graph, data_set);
    if (result.outcome != Outcome::pass) return result;
  }
}

/// The one operator of a node test; "(several)" for graphs.
std::string op_of(const ConformanceCase& test_case) {
  const auto bytes = read_file(test_case.folder + "/model.onnx");
  if (!bytes) return "?";
  const wire::Bytes view = wire::as_bytes(*bytes);
  const auto model = parse_model({view, view.data()});
  if (!model) return "?";
  const auto graph = parse_graph(model->graph);
  if (!graph) return "?";
  if (test_case.name.find("_expanded") != std::string::npos) return "(expanded functions)";
  std::string op;
  for (const NodeView& node : graph->nodes) {
    if (node.op_type == "Constant" && graph->nodes.size() > 1) continue;
    if (!op.empty()) return "(several operators)";
    op = (node.domain.empty() ? "" : std::string(node.domain) + "::") + std::string(node.op_type);
  }
  return op;
}

}  // namespace

std::vector<ConformanceCase> conformance_cases() {
  const char* given = std::getenv("EDGESMITH_ONNX_TESTDATA");
  const fs::path root = given != nullptr ? given : "/usr/share/libonnx-testdata/data";
  std::vector<ConformanceCase> cases;
  for (const char* group : {"node", "pytorch-converted", "pytorch-operator", "simple"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root / group, error)) {
      if (!fs::exists(entry.path() / "model.onnx")) continue;
      cases.push_back({std::string(group) + "/" + entry.path().filename().string(), entry.path().string()});
    }
  }
  std::sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return cases;
}

const char* outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass: return "pass";
    case Outcome::unsupported: return "unsupported";
    case Outcome::wrong: return "wrong";
    case Outcome::crash: return "crash";
  }
  return "";
}

CaseResult run_case(const ConformanceCase& test_case, Variation variation) {
  CaseResult result;
  result.op = op_of(test_case);
  int ends[2];
  if (pipe(ends) != 0) return result;
  const pid_t child = fork();
  if (child == 0) {
    const CaseResult mine = run_here(test_case, variation);
    const std::string text = static_cast<char>('0' + static_cast<int>(mine.outcome)) + mine.reason;
    const bool written = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (text.empty() || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    result.reason = "ended by signal or exit " + std::to_string(status);
    return result;
  }
  result.outcome = static_cast<Outcome>(text[0] - '0');
  result.reason = text.substr(1);
  std::replace(result.reason.begin(), result.reason.end(), '\n', ' ');
  return result;
}

}  // namespace edgesmith::onnx

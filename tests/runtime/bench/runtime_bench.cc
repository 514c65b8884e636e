// SPDX-License-Identifier: Apache-2.0
// Speed of the executor, one thread, random data:
//
//   cmake --build --preset release --target runtime_bench && build/release/tests/runtime/bench/runtime_bench
//
// Layers are named by their shapes; models come from EDGESMITH_ZOO (or ../shared/zoo beside the sources), and run as
// they are and with every activation quantized to 8 bits. EDGESMITH_ISA=avx2 lowers the instruction set.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "edgesmith/base/random.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"

namespace edgesmith::runtime {
namespace {

ir::Tensor random_tensor(ir::Dims dims) {
  Random random(1);
  ir::Tensor out = ir::Tensor::zeros(ir::DType::f32, std::move(dims));
  for (float& x : out.mutable_data<float>()) x = static_cast<float>(random.normal());
  return out;
}

// Multiply-accumulates of all nodes for one sample.
int64_t macs_of(const ir::Graph& graph) {
  int64_t macs = 0;
  for (const ir::Node& node : graph.nodes()) macs += ops::cost_of(node).macs;
  return macs;
}

void run(benchmark::State& state, const ir::Graph& graph, int64_t batch) {
  const auto executor = Executor::create(graph);
  if (!executor) return state.SkipWithError(executor.error().text().c_str());
  std::vector<ir::Tensor> inputs;
  for (const ir::Value* input : graph.inputs()) {
    ir::Dims dims;
    for (const ir::Dim& dim : *input->type().shape) dims.push_back(dim.known() ? dim.value() : batch);
    inputs.push_back(random_tensor(dims));
  }
  const auto session = (*executor)->make_session();
  for (auto _ : state) {
    const auto outputs = session->run(inputs);
    if (!outputs) return state.SkipWithError(outputs.error().text().c_str());
    benchmark::DoNotOptimize(outputs->data());
  }
  const auto samples = static_cast<double>(state.iterations() * inputs[0].dims()[0]);
  state.counters["samples/s"] = benchmark::Counter(samples, benchmark::Counter::kIsRate);
  state.counters["GMAC/s"] =
      benchmark::Counter(samples * static_cast<double>(macs_of(graph)) * 1e-9, benchmark::Counter::kIsRate);
}

// A convolution of `channels` square planes, "same" padding.
void conv(benchmark::State& state, int64_t channels, int64_t size, int64_t out_channels, int64_t kernel, int64_t stride,
          int64_t group) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(ir::DType::f32, {1, channels, size, size}));
  ir::Value& w = graph.add_constant(random_tensor({out_channels, channels / group, kernel, kernel}));
  ir::Node& node = graph.append(ir::OpKind::conv, {&x, &w});
  node.attributes().set("pads", ir::Ints(4, kernel / 2));
  node.attributes().set("strides", ir::Ints(2, stride));
  node.attributes().set("group", group);
  graph.add_output("y", node.output());
  if (!ops::infer_types(graph).ok()) return state.SkipWithError("the layer is not valid");
  run(state, graph, 1);
}

void quantize_activations(ir::Graph& graph) {
  ir::Quant quant;
  quant.dtype = ir::DType::u8;
  quant.scale = {0.05F};
  quant.zero_point = {100};
  for (ir::Node& node : graph.nodes()) {
    if (node.is(ir::OpKind::constant) || node.num_outputs() != 1) continue;
    ir::Value& value = node.output();
    const bool clamped = value.uses().size() == 1 &&
                         (value.uses()[0].node->is(ir::OpKind::relu) || value.uses()[0].node->is(ir::OpKind::clip));
    if (value.type().dtype == ir::DType::f32 && !clamped) value.set_quant(quant);
  }
}

void model(benchmark::State& state, const std::string& path, bool quantized) {
  auto graph = onnx::import_file(path);
  if (!graph) return state.SkipWithError(graph.error().text().c_str());
  if (quantized) quantize_activations(*graph);
  run(state, *graph, state.range(0));
}

void register_layers() {
  struct Layer {
    int64_t channels, size, out_channels, kernel, stride, group;
  };
  const Layer layers[] = {{16, 32, 16, 3, 1, 1},     {16, 32, 32, 3, 2, 1},   {32, 16, 32, 3, 1, 1},
                          {64, 8, 64, 3, 1, 1},      {3, 224, 32, 3, 2, 1},   {24, 56, 144, 1, 1, 1},
                          {144, 56, 24, 1, 1, 1},    {320, 7, 1280, 1, 1, 1}, {96, 112, 96, 3, 2, 96},
                          {144, 56, 144, 3, 1, 144}, {576, 8, 576, 3, 1, 576}};
  for (const Layer& l : layers) {
    const std::string name = "conv/" + std::to_string(l.channels) + "x" + std::to_string(l.size) + "x" +
                             std::to_string(l.size) + "->" + std::to_string(l.out_channels) + "/k" +
                             std::to_string(l.kernel) + "/s" + std::to_string(l.stride) + "/g" +
                             std::to_string(l.group);
    benchmark::RegisterBenchmark(name.c_str(), [l](benchmark::State& state) {
      conv(state, l.channels, l.size, l.out_channels, l.kernel, l.stride, l.group);
    });
  }
}

void register_models(const std::filesystem::path& zoo) {
  for (const char* name : {"lenet-300-100-mnist", "lenet-5-mnist", "mlperf-tiny-ic-resnet8", "resnet20-cifar10",
                           "mobilenetv2-cifar10", "efficientnet-lite0-imagenet"}) {
    const std::string path = (zoo / (std::string(name) + ".onnx")).string();
    if (!std::filesystem::exists(path)) continue;
    for (const bool quantized : {false, true}) {
      const std::string label = std::string(name) + (quantized ? "/u8" : "/f32");
      benchmark::RegisterBenchmark(label.c_str(),
                                   [path, quantized](benchmark::State& state) { model(state, path, quantized); })
          ->Arg(1)
          ->Arg(4)
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace edgesmith::runtime

int main(int argc, char** argv) {
  const char* zoo = std::getenv("EDGESMITH_ZOO");
  edgesmith::runtime::register_layers();
  edgesmith::runtime::register_models(zoo != nullptr ? zoo : EDGESMITH_SOURCE_DIR "/../shared/zoo");
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Speed of the executor, one thread, random data:
//
//   cmake --build --preset release --target runtime_bench && build/release/tests/runtime/bench/runtime_bench
//
// Peaks are what registers allow (peaks.cc). Products are M,N,K of a Gemm whose right operand is constant, layers are
// named by their shapes; of both the kernel's own time is taken. Models come from EDGESMITH_ZOO (or ../shared/zoo
// beside the sources), and run as they are, with sums reassociated, and with every activation quantized to 8 bits.
// EDGESMITH_ISA=avx2 lowers the instruction set,
// --benchmark_filter=peak/fma,gemm/ chooses.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "edgesmith/base/random.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/onnx/import.h"
#include "edgesmith/ops/op_info.h"
#include "edgesmith/runtime/executor.h"
#include "peaks.h"

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

// What counts: whole runs, or what the nodes take, without the copy of the result that a run gives back.
enum class Timed { runs, nodes };

void run(benchmark::State& state, const ir::Graph& graph, int64_t batch, const ExecutorOptions& options = {},
         Timed timed = Timed::runs) {
  const auto executor = Executor::create(graph, options);
  if (!executor) return state.SkipWithError(executor.error().text().c_str());
  std::vector<ir::Tensor> inputs;
  for (const ir::Value* input : graph.inputs()) {
    ir::Dims dims;
    for (const ir::Dim& dim : *input->type().shape) dims.push_back(dim.known() ? dim.value() : batch);
    inputs.push_back(random_tensor(dims));
  }
  const auto session = (*executor)->make_session();
  std::vector<ir::Tensor> outputs;
  int64_t nanoseconds = 0;
  const StepTimer add_time = [&](const ir::Node&, const std::string&, int64_t time) { nanoseconds += time; };
  for (auto _ : state) {
    nanoseconds = 0;
    const Status status = session->run_into(inputs, outputs, nullptr, timed == Timed::nodes ? &add_time : nullptr);
    if (!status) return state.SkipWithError(status.error().text().c_str());
    if (timed == Timed::nodes) state.SetIterationTime(static_cast<double>(nanoseconds) * 1e-9);
    benchmark::DoNotOptimize(outputs.data());
  }
  const bool free_batch = !graph.inputs()[0]->type().shape->front().known();
  const auto samples = static_cast<double>(state.iterations() * (free_batch ? batch : 1));
  state.counters["samples/s"] = benchmark::Counter(samples, benchmark::Counter::kIsRate);
  state.counters["GMAC/s"] =
      benchmark::Counter(samples * static_cast<double>(macs_of(graph)) * 1e-9, benchmark::Counter::kIsRate);
}

// A convolution of `channels` square planes, "same" padding.
void conv(benchmark::State& state, int64_t channels, int64_t size, int64_t out_channels, int64_t kernel, int64_t stride,
          int64_t group, bool reassociate) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(ir::DType::f32, {1, channels, size, size}));
  ir::Value& w = graph.add_constant(random_tensor({out_channels, channels / group, kernel, kernel}));
  ir::Node& node = graph.append(ir::OpKind::conv, {&x, &w});
  node.attributes().set("pads", ir::Ints(4, kernel / 2));
  node.attributes().set("strides", ir::Ints(2, stride));
  node.attributes().set("group", group);
  graph.add_output("y", node.output());
  if (!ops::infer_types(graph).ok()) return state.SkipWithError("the layer is not valid");
  run(state, graph, 1, {.reassociate = reassociate}, Timed::nodes);
}

// [m,k] times a constant [k,n].
void gemm(benchmark::State& state, int64_t m, int64_t n, int64_t k) {
  ir::Graph graph;
  ir::Value& a = graph.add_input("a", ir::type_of(ir::DType::f32, {m, k}));
  ir::Value& b = graph.add_constant(random_tensor({k, n}));
  graph.add_output("y", graph.append(ir::OpKind::gemm, {&a, &b}).output());
  if (!ops::infer_types(graph).ok()) return state.SkipWithError("the product is not valid");
  run(state, graph, 1, {}, Timed::nodes);
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

enum class Variant { f32, reassociated, u8 };

void model(benchmark::State& state, const std::string& path, Variant variant) {
  auto graph = onnx::import_file(path);
  if (!graph) return state.SkipWithError(graph.error().text().c_str());
  if (variant == Variant::u8) quantize_activations(*graph);
  run(state, *graph, state.range(0), {.reassociate = variant == Variant::reassociated});
}

void register_products() {
  struct Product {
    int64_t m, n, k;
  };
  const Product products[] = {{64, 64, 64},    {256, 256, 256},  {512, 512, 512}, {2048, 2048, 2048}, {1024, 16, 144},
                              {256, 32, 288},  {64, 64, 576},    {125, 64, 64},   {2304, 64, 64},     {3136, 64, 576},
                              {49, 512, 4608}, {12544, 64, 147}, {12544, 96, 16}, {784, 144, 24},     {49, 1280, 320},
                              {1, 128, 640},   {1, 1000, 1280},  {1, 300, 784}};
  for (const Product& p : products) {
    const std::string name = "gemm/" + std::to_string(p.m) + "," + std::to_string(p.n) + "," + std::to_string(p.k);
    benchmark::RegisterBenchmark(name.c_str(), [p](benchmark::State& state) {
      gemm(state, p.m, p.n, p.k);
    })->UseManualTime();
  }
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
    for (const bool reassociate : {false, true}) {
      if (reassociate && (l.kernel != 3 || l.stride != 1 || l.group != 1)) continue;
      benchmark::RegisterBenchmark((name + (reassociate ? "/reassociated" : "")).c_str(), [l, reassociate](
                                                                                              benchmark::State& state) {
        conv(state, l.channels, l.size, l.out_channels, l.kernel, l.stride, l.group, reassociate);
      })->UseManualTime();
    }
  }
}

// Nodes other than products, by kernels and plainly (".../reference").
void register_nodes() {
  struct Node {
    const char *name, *text;
  };
  static constexpr Node kNodes[] = {
      {"softmax/4x128x128", "graph @g(%x: f32[4,128,128]) -> (y) {\n  %y = softmax %x {axis=-1}\n  return %y\n}"},
      {"log_softmax/1x1000", "graph @g(%x: f32[1,1000]) -> (y) {\n  %y = log_softmax %x {axis=-1}\n  return %y\n}"},
      {"sigmoid/16384", "graph @g(%x: f32[16384]) -> (y) {\n  %y = sigmoid %x\n  return %y\n}"},
      {"gelu/128x256", "graph @g(%x: f32[128,256]) -> (y) {\n  %y = gelu %x\n  return %y\n}"},
      {"layer_norm/128x128",
       "graph @g(%x: f32[128,128]) -> (y) {\n  %a = constant {-1} : i64[1]\n  %two = constant {2} : f32[]\n"
       "  %e = constant {0.00001} : f32[]\n  %g = constant random(seed=3) : f32[128]\n"
       "  %b = constant random(seed=4) : f32[128]\n  %m = reduce_mean %x, %a\n  %d = sub %x, %m\n"
       "  %s = pow %d, %two\n  %v = reduce_mean %s, %a\n  %w = add %v, %e\n  %r = sqrt %w\n  %q = div %d, %r\n"
       "  %u = mul %q, %g\n  %y = add %u, %b\n  return %y\n}"},
      {"attention_scores/4x128x32",
       "graph @g(%a: f32[4,128,32], %b: f32[4,32,128]) -> (y) {\n  %y = mat_mul %a, %b\n  return %y\n}"},
      {"attention_values/4x128x128",
       "graph @g(%a: f32[4,128,128], %b: f32[4,128,32]) -> (y) {\n  %y = mat_mul %a, %b\n  return %y\n}"},
      {"resize_linear/16x32x32",
       "graph @g(%x: f32[1,16,32,32]) -> (y) {\n  %s = constant {1,1,2,2} : f32[4]\n"
       "  %y = resize %x, _, %s {mode=\"linear\"}\n  return %y\n}"},
  };
  for (const Node& n : kNodes) {
    for (const bool reference : {false, true}) {
      const std::string name = std::string("node/") + n.name + (reference ? "/reference" : "");
      benchmark::RegisterBenchmark(name.c_str(), [n, reference](benchmark::State& state) {
        auto graph = ir::parse(n.text);
        if (!graph || !ops::infer_types(*graph).ok()) return state.SkipWithError("the node is not valid");
        run(state, *graph, 1, {.reference = reference});
      });
    }
  }
}

void register_models(const std::filesystem::path& zoo) {
  for (const char* name : {"lenet-300-100-mnist", "lenet-5-mnist", "mlperf-tiny-ic-resnet8", "resnet20-cifar10",
                           "mobilenetv2-cifar10", "efficientnet-lite0-imagenet"}) {
    const std::string path = (zoo / (std::string(name) + ".onnx")).string();
    if (!std::filesystem::exists(path)) continue;
    const std::pair<Variant, const char*> variants[] = {
        {Variant::f32, "/f32"}, {Variant::reassociated, "/reassociated"}, {Variant::u8, "/u8"}};
    for (const auto& [variant, suffix] : variants) {
      benchmark::RegisterBenchmark((std::string(name) + suffix).c_str(),
                                   [path, variant = variant](benchmark::State& state) { model(state, path, variant); })
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
  edgesmith::runtime::register_peaks();
  edgesmith::runtime::register_products();
  edgesmith::runtime::register_layers();
  edgesmith::runtime::register_nodes();
  edgesmith::runtime::register_models(zoo != nullptr ? zoo : EDGESMITH_SOURCE_DIR "/../shared/zoo");
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Speed of the kernels on codes, one thread, for every instruction set of this CPU:
//
//   cmake --build --preset release --target codes_bench && build/release/tests/runtime/bench/codes_bench [FILTER]
//
// Shortest times, and for products the share of the peak of the instruction used, measured beside each figure: groups
// of bytes (VNNI, or weights proven safe for maddubs), and of words (any weights) where bytes would not add exactly.
#include <cstdio>
#include <cstring>

#include "runtime/bench/int_peak.h"
#include "runtime/codes.h"
#include "runtime/kernel_registry.h"

namespace edgesmith::runtime {
namespace {

using ir::DType;

std::vector<Isa> vector_isas() {
  std::vector<Isa> out;
  for (const Isa isa : {Isa::avx512vnni, Isa::avxvnni, Isa::avx512, Isa::avx2, Isa::neondot, Isa::neon}) {
    if (cpu_has(isa)) out.push_back(isa);
  }
  return out;
}

const char* filter = "";

struct Layer {
  int64_t channels, height, width, out_channels, kernel, stride = 1, group = 1;
};

// Runs a node with one weight on codes and prints a line for each instruction set.
void measure(const std::string& name, const ir::Graph& graph, bool safe) {
  if (std::strstr(name.c_str(), filter) == nullptr) return;
  const ir::Node& node = graph.output_node().input(0)->node();
  integer::Form form;
  form.node = &node;
  for (int i = 0; i < node.num_inputs(); ++i) {
    const bool coded = node.input(i)->constant() == nullptr;
    form.operands.push_back(coded ? integer::code_type(&*node.input(i)->quant()) : std::nullopt);
  }
  form.result = *integer::code_type(&*node.output().quant());
  const ir::Dims in = *node.input(0)->type().static_dims(), out = *node.output().type().static_dims();
  const auto macs = static_cast<double>(ops::cost_of(node).macs);
  const CodeBuffer x = random_codes(ir::num_elements(in), 1), y(ir::num_elements(out));
  const ir::Tensor input = x.tensor(DType::u8, in);
  const std::vector<const ir::Tensor*> inputs = {&input, nullptr};
  const std::vector<const ir::Dims*> dims = {&in, nullptr};
  for (const Isa isa : vector_isas()) {
    const Kernel* kernel = find_kernel(form, isa, false);
    if (kernel == nullptr) return;
    const auto prepared = kernel->prepare_form(form, isa);
    if (!prepared) return;
    const auto bytes = kernel->scratch_bytes == nullptr ? Result<int64_t>(int64_t{0})
                                                        : kernel->scratch_bytes(node, prepared->get(), dims, out, isa);
    const CodeBuffer scratch(*bytes);
    const OutputSlot slot = {y.bytes(), &out};
    KernelCall call = {node, inputs, {&slot, 1}, prepared->get(), scratch.bytes(), {}, isa};
    Result<std::shared_ptr<const Prepared>> bound = std::shared_ptr<const Prepared>();
    if (kernel->bind != nullptr) bound = kernel->bind(node, prepared->get(), dims, out, isa);
    if (!bound) return;
    call.bound = bound->get();
    const double time = best_time(0.03, [&] { (void)kernel->run(call).ok(); });
    const double peak = int_peak(isa, !safe && !native::int_table(isa).exact_bytes);
    std::printf("%-34s %-12s %-10s %9.2f us %7.1f GMAC/s", name.c_str(), std::string(kernel->name).c_str(),
                std::string(isa_word(isa)).c_str(), time * 1e6, macs / time * 1e-9);
    if (peak > 0) std::printf(" %5.1f %% of %.1f", 100 * macs / time / peak, peak * 1e-9);  // not known on Arm
    std::printf("\n");
  }
}

void conv(const Layer& l, bool safe) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(DType::f32, {1, l.channels, l.height, l.width}));
  x.set_quant(per_tensor(DType::u8, 0.02F, 3));
  ir::Value& w = graph.add_constant(
      random_weight({l.out_channels, l.channels / l.group, l.kernel, l.kernel}, 0, safe ? 64 : 127, 2));
  ir::Node& node = graph.append(ir::OpKind::conv, {&x, &w});
  node.attributes().set("pads", ir::Ints(4, l.kernel / 2));
  node.attributes().set("strides", ir::Ints(2, l.stride));
  node.attributes().set("group", l.group);
  node.output().set_quant(per_tensor(DType::u8, 0.1F, 128));
  graph.add_output("y", node.output());
  if (!ops::infer_types(graph).ok()) return;
  const std::string size = std::to_string(l.channels) + "x" + std::to_string(l.height) + "x" + std::to_string(l.width);
  measure(std::string(l.group > 1 ? "depthwise " : "conv ") + size + "->" + std::to_string(l.out_channels) + "/k" +
              std::to_string(l.kernel) + "/s" + std::to_string(l.stride) + (safe ? " safe" : " any"),
          graph, safe);
}

void gemm(int64_t rows, int64_t k, int64_t outputs, bool safe) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(DType::f32, {rows, k}));
  x.set_quant(per_tensor(DType::u8, 0.02F, 3));
  ir::Value& w = graph.add_constant(random_weight({k, outputs}, 1, safe ? 64 : 127, 2));
  ir::Node& node = graph.append(ir::OpKind::gemm, {&x, &w});
  node.output().set_quant(per_tensor(DType::u8, 0.1F, 128));
  graph.add_output("y", node.output());
  if (!ops::infer_types(graph).ok()) return;
  measure("gemm " + std::to_string(rows) + "," + std::to_string(outputs) + "," + std::to_string(k) +
              (safe ? " safe" : " any"),
          graph, safe);
}

// The loops without weights, on 16 KiB, beside those that every CPU runs.
void elementwise() {
  constexpr int64_t kCount = 16384;
  const CodeBuffer a = random_codes(kCount + 64, 1), b = random_codes(kCount, 2), out(kCount),
                   codes = random_codes(256, 3);
  std::vector<float> reals(kCount, 1.5F);
  const int64_t taps[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  for (const NamedTable& t : code_tables()) {
    const native::IntTable& table = *t.table;
    const auto line = [&](const char* name, const std::function<void()>& call) {
      const double time = best_time(0.02, call);
      std::printf("%-12s %-10s %7.2f us %6.1f bytes/ns\n", name, t.name.c_str(), time * 1e6, kCount / time * 1e-9);
    };
    line("add", [&] { table.add({a.data(), b.data(), 0, 128, 0.4F, 0.6F, 3, kCount, out.data(), {}}); });
    line("max of 9", [&] { table.max({a.data(), taps, 9, 0, kCount, out.data()}); });
    line("mean of 9", [&] { table.mean({a.data(), 3, 3, 3, 1, 0, 5, 0.1F, kCount, out.data(), {}}); });
    line("quantize", [&] { table.quantize({reals.data(), 0.1F, -128, 127, kCount, out.data(), {}}); });
    line("dequantize", [&] { table.dequantize(a.data(), 0, 3, 0.1F, reals.data(), kCount); });
    line("lookup", [&] { table.lookup(codes.data(), a.data(), out.data(), kCount); });
  }
}

void run_all() {
  if (std::strstr("elementwise", filter) != nullptr) elementwise();
  for (const bool safe : {false, true}) {
    gemm(256, 256, 256, safe);
    gemm(512, 512, 512, safe);
    gemm(2048, 2048, 2048, safe);
    gemm(49, 4608, 512, safe);
    gemm(1, 640, 128, safe);
    gemm(1, 1280, 1000, safe);
    gemm(1, 784, 300, safe);
  }
  const Layer layers[] = {
      // M, N, K of performance.md as 1x1 convolutions: M pixels, K channels, N outputs.
      {64, 1, 1, 16, 1},
      {64, 8, 8, 64, 1},
      {256, 16, 16, 256, 1},
      {512, 16, 32, 512, 1},
      {144, 32, 32, 16, 1},
      {576, 8, 8, 64, 1},
      {64, 48, 48, 64, 1},
      {147, 112, 112, 64, 1},
      {16, 112, 112, 96, 1},
      {24, 28, 28, 144, 1},
      {320, 7, 7, 1280, 1},
      // ResNet-20.
      {3, 32, 32, 16, 3},
      {16, 32, 32, 16, 3},
      {16, 32, 32, 32, 3, 2},
      {32, 16, 16, 32, 3},
      {64, 8, 8, 64, 3},
      // MobileNets and EfficientNet-Lite0.
      {3, 224, 224, 32, 3, 2},
      {144, 56, 56, 24, 1},
      {8, 48, 48, 16, 1},
      {64, 25, 5, 64, 1},
      {32, 112, 112, 32, 3, 1, 32},
      {96, 112, 112, 96, 3, 2, 96},
      {144, 56, 56, 144, 3, 1, 144},
      {240, 28, 28, 240, 5, 1, 240},
      {64, 25, 5, 64, 3, 1, 64},
      {256, 3, 3, 256, 3, 1, 256},
  };
  for (const Layer& l : layers) {
    conv(l, false);
    conv(l, true);
  }
}

}  // namespace
}  // namespace edgesmith::runtime

int main(int argc, char** argv) {
  if (argc > 1) edgesmith::runtime::filter = argv[1];
  edgesmith::runtime::run_all();
  return 0;
}

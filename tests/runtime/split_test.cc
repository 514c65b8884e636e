// SPDX-License-Identifier: Apache-2.0
// Steps cut over threads give the bits of one thread, and large ones are cut.
#include "runtime/native/split.h"
#include "edgesmith/base/thread_pool.h"
#include "runtime/codes.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

struct Case {
  int64_t samples, channels, height, width, out_channels, kernel, stride = 1, group = 1;
  std::string text() const {
    return std::to_string(samples) + "x" + std::to_string(channels) + "x" + std::to_string(height) + "x" +
           std::to_string(width) + " to " + std::to_string(out_channels) + ", " + std::to_string(kernel) + "x" +
           std::to_string(kernel) + ", stride " + std::to_string(stride) + ", groups " + std::to_string(group);
  }
};

// Every kernel of convolutions, and every way in which they read their inputs, at sizes that are worth sharing.
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {1, 16, 33, 31, 16, 3},        {2, 33, 17, 15, 31, 3},        {1, 64, 8, 8, 64, 3},
      {1, 17, 40, 40, 33, 1},        {1, 200, 7, 7, 65, 1},         {1, 1100, 7, 7, 48, 1},
      {3, 40, 9, 7, 72, 5, 2},       {1, 24, 57, 55, 24, 3, 1, 24}, {2, 31, 40, 33, 31, 5, 2, 31},
      {1, 24, 57, 55, 24, 7, 1, 24}, {1, 32, 20, 20, 64, 3, 1, 4},  {1, 64, 1, 1, 1000, 1},
      {1, 3, 64, 64, 32, 3, 2}};
  return all;
}

ir::Graph conv_graph(const Case& c, bool codes) {
  ir::Graph graph;
  ir::Value& x = graph.add_input("x", ir::type_of(ir::DType::f32, {c.samples, c.channels, c.height, c.width}));
  const ir::Dims dims = {c.out_channels, c.channels / c.group, c.kernel, c.kernel};
  ir::Value& weight = graph.add_constant(codes ? random_weight(dims, 0, 63, 2) : random_tensor(dims, 2));
  ir::Node& conv =
      graph.append(ir::OpKind::conv, {&x, &weight, &graph.add_constant(random_tensor({c.out_channels}, 3))});
  const int64_t pad = c.kernel / 2;
  conv.attributes().set("pads", ir::Ints{pad, pad, pad, pad});
  conv.attributes().set("strides", ir::Ints{c.stride, c.stride});
  conv.attributes().set("group", c.group);
  graph.add_output("y", conv.output());
  if (codes) {
    x.set_quant(per_tensor(ir::DType::u8, 0.01F, 100));
    conv.output().set_quant(per_tensor(ir::DType::u8, 0.05F, 120));
  }
  const Status typed = ops::infer_types(graph);
  EXPECT_TRUE(typed.ok()) << typed.error().text();
  return graph;
}

void check(const Case& c, const ExecutorOptions& options, Isa isa) {
  SCOPED_TRACE(c.text() + " " + std::string(isa_word(isa)));
  const ir::Graph graph = conv_graph(c, options.arithmetic == Arithmetic::exact_i32);
  const std::vector<ir::Tensor> inputs = {random_tensor({c.samples, c.channels, c.height, c.width}, 5)};
  const ir::Tensor expected = run_graph(graph, inputs, isa, options)[0];
  const auto program = compile(graph, options, isa);
  ASSERT_TRUE(program.ok());
  for (const int threads : {2, 3, 7}) {
    ThreadPool pool(threads);
    SessionState session(*program, &pool);
    for (int run = 0; run < 2; ++run) {
      const auto y = session.run(inputs, nullptr);
      ASSERT_TRUE(y.ok()) << y.error().text();
      EXPECT_TRUE((*y)[0].identical_to(expected)) << threads << " threads";
    }
  }
}

TEST(Split, FloatKernelsGiveTheSameBitsOnAnyNumberOfThreads) {
  for (const Case& c : cases()) {
    for (const Isa isa : float_isas()) {
      check(c, {}, isa);
      check(c, {.reassociate = true}, isa);
    }
  }
}

TEST(Split, KernelsOnCodesGiveTheSameBytesOnAnyNumberOfThreads) {
  for (const Case& c : cases()) {
    for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512vnni}) {
      if (cpu_has(isa)) check(c, {.arithmetic = Arithmetic::exact_i32}, isa);
    }
  }
}

TEST(Split, CutsWhatIsWorthItIntoOnePartAThread) {
  ThreadPool pool(3);
  const ir::Graph graph = conv_graph({1, 1, 1, 1, 1, 1}, false);
  std::vector<std::byte> scratch(3 * 64);
  const KernelCall call = {.node = graph.nodes().begin().operator*(),
                           .inputs = {},
                           .outputs = {},
                           .scratch = scratch.data(),
                           .pool = &pool,
                           .scratch_step = 64};
  const auto parts_of = [&](int64_t count, int64_t nanoseconds) {
    std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
    std::atomic<int> parts = 0;
    native::split(call, count, nanoseconds, [&](int64_t first, int64_t end, std::byte* own) {
      EXPECT_EQ((own - scratch.data()) % 64, 0);
      ++parts;
      for (int64_t i = first; i < end; ++i) ++hits[static_cast<size_t>(i)];
    });
    for (const auto& n : hits) EXPECT_EQ(n, 1);
    return parts.load();
  };
  EXPECT_EQ(parts_of(10, 100000), 3);
  EXPECT_EQ(parts_of(2, 100000), 2);
  EXPECT_EQ(parts_of(10, 1000), 1) << "too little to share";
  EXPECT_EQ(parts_of(0, 100000), 0);
}

}  // namespace
}  // namespace edgesmith::runtime

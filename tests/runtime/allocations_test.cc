// SPDX-License-Identifier: Apache-2.0
// Runs after the first one with the same dims allocate nothing. A program of its own, since it counts every operator
// new of the process.
#include <atomic>
#include <cstdlib>
#include <new>

#include "edgesmith/base/thread_pool.h"
#include "runtime/run_graph.h"

namespace {

std::atomic<int64_t> allocations{0};

void* counted(std::size_t bytes) {
  ++allocations;
  return std::malloc(bytes == 0 ? 1 : bytes);
}

void* counted(std::size_t bytes, std::align_val_t alignment) {
  ++allocations;
  const auto unit = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(unit, (bytes + unit) / unit * unit);
}

}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) { return counted(bytes, alignment); }
void* operator new[](std::size_t bytes, std::align_val_t alignment) { return counted(bytes, alignment); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace edgesmith::runtime {
namespace {

// Residual blocks as in a ResNet for small images, with the shape code that exporters put before a classifier.
constexpr const char* kResidual = R"(graph @net(%x: f32[N,3,16,16]) -> (y) {
  %w0 = constant random(seed=1) : f32[16,3,3,3]
  %b0 = constant random(seed=2) : f32[16]
  %w1 = constant random(seed=3) : f32[16,16,3,3]
  %w2 = constant random(seed=4) : f32[32,16,3,3]
  %w3 = constant random(seed=5) : f32[32,16,1,1]
  %wf = constant random(seed=6) : f32[10,32]
  %bf = constant random(seed=7) : f32[10]
  %zero = constant {0} : i64[]
  %axis = constant {0} : i64[1]
  %rest = constant {-1} : i64[1]
  %c0 = conv %x, %w0, %b0 {pads=[1,1,1,1]}
  %r0 = relu %c0
  %c1 = conv %r0, %w1, _ {pads=[1,1,1,1]}
  %a1 = add %c1, %r0
  %r1 = relu %a1
  %m1 = max_pool %r1 {kernel_shape=[3,3], pads=[1,1,1,1]}
  %c2 = conv %m1, %w2, _ {pads=[1,1,1,1], strides=[2,2]}
  %s2 = conv %m1, %w3, _ {strides=[2,2]}
  %a2 = add %s2, %c2
  %r2 = relu %a2
  %p2 = average_pool %r2 {kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]}
  %p = global_average_pool %p2
  %shape = shape %p
  %n = gather %shape, %zero {axis=0}
  %n1 = unsqueeze %n, %axis
  %to = concat %n1, %rest {axis=0}
  %f = reshape %p, %to
  %y = gemm %f, %wf, %bf {transB=1}
  return %y
})";

// Inverted residuals with gates, and what moves data about.
constexpr const char* kMobile = R"(graph @net(%x: f32[N,3,16,16]) -> (y) {
  %w0 = constant random(seed=1) : f32[8,3,3,3]
  %w1 = constant random(seed=2) : f32[24,8,1,1]
  %w2 = constant random(seed=3) : f32[24,1,3,3]
  %w3 = constant random(seed=4) : f32[8,24,1,1]
  %w4 = constant random(seed=5) : f32[24,1,7,7]
  %gate = constant random(seed=6) : f32[1,24,1,1]
  %wf = constant random(seed=7) : f32[32,10]
  %pads = constant {0,0,0,0,0,0,1,1} : i64[8]
  %lo = constant {0} : f32[]
  %hi = constant {6} : f32[]
  %from = constant {0} : i64[1]
  %until = constant {8} : i64[1]
  %axes = constant {1} : i64[1]
  %zero = constant {0} : f32[]
  %x0 = pad %x, %pads, %zero
  %c0 = conv %x0, %w0, _ {strides=[2,2]}
  %h0 = clip %c0, %lo, %hi
  %c1 = conv %h0, %w1, _
  %h1 = clip %c1, %lo, %hi
  %c2 = conv %h1, %w2, _ {pads=[1,1,1,1], group=24}
  %h2 = hard_swish %c2
  %g2 = mul %h2, %gate
  %c3 = conv %g2, %w3, _
  %a3 = add %c3, %h0
  %c4 = conv %g2, %w4, _ {pads=[3,3,3,3], group=24}
  %j = concat %a3, %c4 {axis=1}
  %p = max_pool %j {kernel_shape=[2,2], strides=[2,2]}
  %t = transpose %p {perm=[0,2,3,1]}
  %m = mat_mul %t, %wf
  %u = transpose %m {perm=[0,3,1,2]}
  %s = slice %u, %from, %until, %axes
  %q = global_average_pool %s
  %y = flatten %q {axis=1}
  return %y
})";

// Attention over normalized rows, and functions and means beside it.
constexpr const char* kAttention = R"(graph @net(%x: f32[N,6,16]) -> (y) {
  %axis = constant {-1} : i64[1]
  %two = constant {2} : f32[]
  %e = constant {0.00001} : f32[]
  %g = constant random(seed=1) : f32[16]
  %w = constant random(seed=2) : f32[16,16]
  %i = constant {0,5,2} : i64[3]
  %scales = constant {1,1.5,2} : f32[3]
  %m = reduce_mean %x, %axis
  %d = sub %x, %m
  %s = pow %d, %two
  %v = reduce_mean %s, %axis
  %ve = add %v, %e
  %r = sqrt %ve
  %n = div %d, %r
  %ng = mul %n, %g
  %q = mat_mul %ng, %w
  %t = transpose %q {perm=[0,2,1]}
  %scores = mat_mul %q, %t
  %a = softmax %scores {axis=-1}
  %b = mat_mul %a, %x
  %u = gelu %b
  %z = resize %u, _, %scales {mode="linear"}
  %k = gather %z, %i {axis=1}
  %l = log_softmax %k {axis=1}
  %y = reduce_max %l, %axis
  return %y
})";

// Forward and backward, as train::differentiate writes them: weights are inputs.
constexpr const char* kTraining =
    R"(graph @net(%x: f32[N,3,16,16], %labels: f32[N,10], %w0: f32[16,3,3,3], %b0: f32[16],
    %w1: f32[16,16,3,3], %b1: f32[16], %w2: f32[24,16,3,3], %wf: f32[10,96], %bf: f32[10]) -> (loss, dw0, db0, dw1, db1, dw2, dwf, dbf) {
  %zero = constant {0} : f32[]
  %axis = constant {1} : i64[1]
  %first = constant {0} : i64[1]
  %places = constant {0,2,3} : i64[3]
  %planes = constant {0,24,2,2} : i64[4]
  %c0 = conv %x, %w0, %b0 {pads=[1,1,1,1]}
  %r0 = relu %c0
  %c1 = conv %r0, %w1, %b1 {pads=[1,1,1,1]}
  %a1 = add %c1, %r0
  %r1 = relu %a1
  %c2 = conv %r1, %w2, _ {pads=[1,1,1,1], strides=[2,2]}
  %m2 = max_pool %c2 {kernel_shape=[2,2], strides=[2,2]}
  %p2 = average_pool %m2 {kernel_shape=[2,2], strides=[2,2]}
  %f = flatten %p2
  %s = gemm %f, %wf, %bf {transB=1}
  %log = log_softmax %s
  %hits = mul %log, %labels
  %sum = reduce_sum %hits {keepdims=0}
  %loss = neg %sum
  %e = exp %log
  %all = reduce_sum %labels, %axis
  %el = mul %e, %all
  %ds = sub %el, %labels
  %dbf = reduce_sum %ds, %first {keepdims=0}
  %dwf = gemm %ds, %f, _ {transA=1}
  %df = gemm %ds, %wf
  %dp2 = reshape %df, %planes
  %size = shape %m2
  %dm2 = average_pool_gradient %dp2, %size {kernel_shape=[2,2], strides=[2,2]}
  %dc2 = max_pool_gradient %c2, %dm2 {kernel_shape=[2,2], strides=[2,2]}
  %dw2 = conv_weight_gradient %r1, %dc2 {kernel_shape=[3,3], pads=[1,1,0,0], strides=[2,2]}
  %dr1 = conv_transpose %dc2, %w2 {output_padding=[1,1], pads=[1,1,1,1], strides=[2,2]}
  %over1 = greater %r1, %zero
  %da1 = where %over1, %dr1, %zero
  %dw1 = conv_weight_gradient %r0, %da1 {kernel_shape=[3,3], pads=[1,1,0,0]}
  %db1 = reduce_sum %da1, %places {keepdims=0}
  %dc1 = conv_transpose %da1, %w1 {pads=[1,1,1,1]}
  %dr0 = add %da1, %dc1
  %over0 = greater %r0, %zero
  %dc0 = where %over0, %dr0, %zero
  %dw0 = conv_weight_gradient %x, %dc0 {kernel_shape=[3,3], pads=[1,1,0,0]}
  %db0 = reduce_sum %dc0, %places {keepdims=0}
  return %loss, %dw0, %db0, %dw1, %db1, %dw2, %dwf, %dbf
})";

// The graph with 8-bit annotations: activations (but results that a clamp alone reads), and weights as codes. The Mul
// stays on reals: on codes only the plain evaluation takes it.
ir::Graph quantized(const char* text) {
  ir::Graph graph = parse_graph(text);
  ir::Quant codes;
  codes.dtype = ir::DType::u8;
  codes.scale = {0.05F};
  codes.zero_point = {100};
  const auto is_clamp = [](const ir::Node& node) { return node.is(ir::OpKind::relu) || node.is(ir::OpKind::clip); };
  for (ir::Node& node : graph.nodes()) {
    if (node.num_outputs() != 1 || node.output().type().dtype != ir::DType::f32) continue;
    ir::Value& value = node.output();
    if (node.is(ir::OpKind::mul)) continue;
    if (!node.is(ir::OpKind::constant)) {
      if (value.uses().size() != 1 || !is_clamp(*value.uses()[0].node)) value.set_quant(codes);
      continue;
    }
    const ir::Node& reader = *value.uses()[0].node;
    const bool weight = value.uses()[0].index == 1 &&
                        (reader.is(ir::OpKind::conv) || reader.is(ir::OpKind::gemm) || reader.is(ir::OpKind::mat_mul));
    if (!weight) continue;
    ir::Quant symmetric;
    symmetric.dtype = ir::DType::i8;
    symmetric.scale = {0.01F};
    symmetric.zero_point = {0};
    std::vector<int8_t> numbers;
    for (const float real : node.tensor().to_floats()) {
      numbers.push_back(static_cast<int8_t>(ir::quantize_value(real, 0.01F, 0, ir::DType::i8)));
    }
    graph.set_tensor(node, ir::Tensor::affine(ir::Tensor::of(node.tensor().dims(), numbers), symmetric));
  }
  return graph;
}

// Allocations of the third run of a session; the first ones plan, and make the results' tensors.
void expect_none(const ir::Graph& graph, const ExecutorOptions& options, Isa isa, ThreadPool* pool = nullptr) {
  const auto program = compile(graph, options, isa);
  ASSERT_TRUE(program.ok()) << program.error().text();
  SessionState session(*program, pool);
  std::vector<ir::Tensor> inputs, outputs;
  for (const ir::Value* input : graph.inputs()) {
    ir::Dims dims;
    for (const ir::Dim& dim : *input->type().shape) dims.push_back(dim.known() ? dim.value() : 2);
    inputs.push_back(random_tensor(dims, 3));
  }
  ASSERT_TRUE(session.run_into(inputs, outputs, nullptr).ok());
  const auto first = session.run(inputs, nullptr);
  ASSERT_TRUE(first.ok());
  const int64_t before = allocations;
  const Status status = session.run_into(inputs, outputs, nullptr);
  EXPECT_EQ(allocations - before, 0) << isa_word(isa);
  ASSERT_TRUE(status.ok());
  for (size_t i = 0; i < outputs.size(); ++i) EXPECT_TRUE(outputs[i].identical_to((*first)[i]));
}

TEST(Allocations, AreCounted) {
  const int64_t before = allocations;
  delete new int(3);  // NOLINT
  EXPECT_GT(allocations, before);
}

TEST(Allocations, NoneByFloatPlans) {
  for (const char* text : {kResidual, kMobile, kAttention, kTraining}) {
    const ir::Graph graph = parse_graph(text);
    for (const Isa isa : float_isas()) {
      expect_none(graph, {}, isa);
      expect_none(graph, {.reassociate = true}, isa);
    }
  }
}

TEST(Allocations, NoneByPlansOnCodes) {
  for (const char* text : {kResidual, kMobile}) {
    const ir::Graph graph = quantized(text);
    for (const Arithmetic arithmetic : {Arithmetic::fake_quant, Arithmetic::exact_i32}) {
      for (const Isa isa : kIsas) {
        if (cpu_has(isa)) expect_none(graph, {.arithmetic = arithmetic}, isa);
      }
    }
  }
}

TEST(Allocations, NoneWhereThreadsShareTheWork) {
  const Result<Isa>& isa = isa_in_use();
  ASSERT_TRUE(isa.ok());
  ThreadPool pool(2);
  for (const char* text : {kResidual, kMobile}) {
    expect_none(parse_graph(text), {}, *isa, &pool);
    expect_none(quantized(text), {.arithmetic = Arithmetic::exact_i32}, *isa, &pool);
  }
}

// A result may be what is fed itself, or a view of it.
TEST(Allocations, NoneByWhatOnlyPassesOn) {
  expect_none(parse_graph("graph @g(%x: f32[N,4]) -> (xx, y) {\n  %y = flatten %x {axis=0}\n  return %x, %y\n}"), {},
              Isa::scalar);
}

}  // namespace
}  // namespace edgesmith::runtime

// SPDX-License-Identifier: Apache-2.0
// The fast kernels on codes that have no weights, and the conversions, against the plain evaluations: the same bytes on
// every instruction set.
#include "runtime/codes.h"
#include "runtime/integer/convert.h"
#include "runtime/integer/plain.h"
#include "runtime/native/convert_codes.h"
#include "runtime/native/int_packing.h"
#include "runtime/run_graph.h"

namespace edgesmith::runtime {
namespace {

using ir::DType;
using ir::OpKind;

std::vector<Isa> cpu_isas() {
  std::vector<Isa> out;
  for (const Isa isa : kIsas) {
    if (cpu_has(isa)) out.push_back(isa);
  }
  return out;
}

CodeBuffer in_layout(const CodeBuffer& codes, const ir::Dims& dims, Layout layout) {
  CodeBuffer out(ir::num_elements(dims));
  if (layout == Layout::channels_last) {
    integer::change_layout(dims, codes.bytes(), layout, out.bytes());
  } else {
    std::memcpy(out.data(), codes.data(), static_cast<size_t>(ir::num_elements(dims)));
  }
  return out;
}

// A node whose operands are graph inputs with annotations.
struct Step {
  OpKind op;
  std::vector<ir::Dims> inputs;
  std::vector<ir::Quant> quants;  // of the inputs, then of the result
  ir::Attributes attributes = {};
  int32_t lo = 0, hi = 0;                // a clamp of the result, unless equal
  std::vector<ir::Ints> constants = {};  // operands behind the inputs; an empty one is absent
};

void check(const Step& s, std::string_view kernel_name) {
  ir::Graph graph;
  std::vector<ir::Value*> operands;
  std::string text;
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    operands.push_back(&graph.add_input("x" + std::to_string(i), ir::type_of(DType::f32, s.inputs[i])));
    operands.back()->set_quant(s.quants[i]);
    text += operands.back()->type().text() + " ";
  }
  std::vector<ir::Tensor> constants;
  for (const ir::Ints& values : s.constants) {
    constants.push_back(ir::Tensor::of({static_cast<int64_t>(values.size())}, values));
    operands.push_back(values.empty() ? nullptr : &graph.add_constant(constants.back()));
    for (const int64_t value : values) text += std::to_string(value) + " ";
  }
  SCOPED_TRACE(std::string(kernel_name) + " " + text);
  ir::Node& node = graph.append(s.op, operands);
  node.attributes() = s.attributes;
  node.output().set_quant(s.quants.back());
  graph.add_output("y", node.output());
  const Status typed = ops::infer_types(graph);
  ASSERT_TRUE(typed.ok()) << typed.error().text();
  const ir::Dims dims = *node.output().type().static_dims();
  integer::Form form;
  form.node = &node;
  for (size_t i = 0; i < s.inputs.size(); ++i) form.operands.push_back(integer::code_type(&s.quants[i]));
  form.operands.resize(operands.size());
  form.result = *integer::code_type(&s.quants.back());
  if (s.lo != s.hi) {
    form.result.lo = s.lo;
    form.result.hi = s.hi;
  }
  const auto run = [&](const Kernel& kernel, Isa isa) {
    const Layout layout = kernel.layout.value_or(Layout::channels_last);
    std::shared_ptr<const Prepared> prepared;
    if (kernel.prepare_form != nullptr) {
      const auto made = kernel.prepare_form(form, isa);
      EXPECT_TRUE(made.ok());
      if (made) prepared = *made;
    }
    std::vector<ir::Tensor> tensors;
    for (size_t i = 0; i < s.inputs.size(); ++i) {
      const CodeBuffer codes = random_codes(ir::num_elements(s.inputs[i]), i + 1);
      tensors.push_back(in_layout(codes, s.inputs[i], layout).tensor(s.quants[i].dtype, s.inputs[i]));
    }
    std::vector<const ir::Tensor*> pointers;
    for (const ir::Tensor& tensor : tensors) pointers.push_back(&tensor);
    for (const ir::Tensor& tensor : constants) pointers.push_back(tensor.size() == 0 ? nullptr : &tensor);
    const CodeBuffer out = run_row(kernel, node, prepared.get(), pointers, dims, ir::num_elements(dims), isa);
    CodeBuffer rows(ir::num_elements(dims));
    if (layout == Layout::row_major) return out;
    integer::change_layout(dims, out.bytes(), Layout::row_major, rows.bytes());
    return rows;
  };
  const Kernel* plain = find_kernel(form, Isa::scalar, true);
  ASSERT_NE(plain, nullptr);
  const CodeBuffer expected = run(*plain, Isa::scalar);
  for (const Isa isa : cpu_isas()) {
    const Kernel* kernel = find_kernel(form, isa, false);
    ASSERT_NE(kernel, nullptr);
    ASSERT_EQ(kernel->name, kernel_name);
    const CodeBuffer actual = run(*kernel, isa);
    const auto count = static_cast<size_t>(ir::num_elements(dims));
    EXPECT_EQ(std::memcmp(actual.data(), expected.data(), count), 0) << isa_word(isa);
  }
}

ir::Attributes pool(ir::Ints kernel, ir::Ints strides, ir::Ints pads, ir::Ints dilations = {1, 1}) {
  ir::Attributes out;
  out.set("kernel_shape", std::move(kernel));
  out.set("strides", std::move(strides));
  out.set("pads", std::move(pads));
  out.set("dilations", std::move(dilations));
  return out;
}

const std::vector<int64_t> kSizes = {1, 3, 7, 8, 15, 17, 31, 33, 64, 100};

TEST(CodeSteps, AddIsThePlainOne) {
  for (const int64_t channels : kSizes) {
    for (const DType dtype : {DType::u8, DType::i8}) {
      const int32_t zero = dtype == DType::i8 ? -7 : 131;
      check({OpKind::add,
             {{2, channels, 3, 5}, {2, channels, 3, 5}},
             {per_tensor(DType::u8, 0.03F, 3), per_tensor(dtype, 0.011F, zero), per_tensor(dtype, 0.04F, zero)}},
            "add_i8");
    }
  }
  // Clamps, and scales far apart.
  Step s = {OpKind::add,
            {{4, 50}, {4, 50}},
            {per_tensor(DType::i8, 1.0F, 127), per_tensor(DType::u8, 1e-4F, 255), per_tensor(DType::u8, 1e-5F, 128)}};
  check(s, "add_i8");
  s.quants.back() = per_tensor(DType::u8, 0.9F, 128);
  s.lo = 128;
  s.hi = 200;
  check(s, "add_i8");
  check({OpKind::add, {{0, 3}, {0, 3}}, {s.quants[0], s.quants[1], s.quants[2]}}, "add_i8");
}

TEST(CodeSteps, AddThatBroadcastsIsLeftToThePlainOne) {
  check({OpKind::add,
         {{2, 3, 4, 5}, {1, 3, 1, 1}},
         {per_tensor(DType::u8, 0.03F, 3), per_tensor(DType::u8, 0.011F, 9), per_tensor(DType::u8, 0.04F, 0)}},
        "add_codes");
}

TEST(CodeSteps, MaxPoolIsThePlainOne) {
  for (const int64_t channels : kSizes) {
    for (const DType dtype : {DType::u8, DType::i8}) {
      const ir::Quant quant = per_tensor(dtype, 0.03F, 3);
      check({OpKind::max_pool, {{2, channels, 9, 7}}, {quant, quant}, pool({3, 3}, {2, 2}, {1, 1, 1, 1})},
            "max_pool_i8");
      check({OpKind::max_pool, {{1, channels, 8, 6}}, {quant, quant}, pool({2, 2}, {2, 2}, {0, 0, 0, 0})},
            "max_pool_i8");
      check({OpKind::max_pool, {{1, channels, 8, 9}}, {quant, quant}, pool({3, 2}, {1, 3}, {2, 0, 1, 1}, {2, 1})},
            "max_pool_i8");
      check({OpKind::max_pool, {{3, channels, 5, 5}}, {quant, quant}, pool({3, 3}, {1, 1}, {0, 0, 0, 0})},
            "max_pool_i8");
    }
  }
  const ir::Quant quant = per_tensor(DType::u8, 0.03F, 3);
  check({OpKind::max_pool, {{1, 40, 150, 60}}, {quant, quant}, pool({3, 3}, {2, 1}, {1, 1, 1, 1})}, "max_pool_i8");
}

TEST(CodeSteps, AveragePoolsAreThePlainOnes) {
  for (const int64_t channels : kSizes) {
    for (const DType dtype : {DType::u8, DType::i8}) {
      const ir::Quant from = per_tensor(dtype, 0.03F, 3), to = per_tensor(DType::u8, 0.011F, 100);
      for (const int64_t count_pads : {0, 1}) {
        Step s = {OpKind::average_pool, {{2, channels, 7, 9}}, {from, to}, pool({3, 3}, {2, 1}, {1, 1, 1, 1})};
        s.attributes.set("count_include_pad", count_pads);
        check(s, "average_pool_i8");
        s.lo = 100;
        s.hi = 220;
        check(s, "average_pool_i8");
      }
      check({OpKind::global_average_pool, {{3, channels, 8, 8}}, {from, to}}, "global_average_pool_i8");
      check({OpKind::global_average_pool, {{1, channels, 1, 1}}, {from, per_tensor(DType::i8, 0.05F, -100)}},
            "global_average_pool_i8");
    }
  }
}

TEST(CodeSteps, ConcatIsThePlainOne) {
  const ir::Quant quant = per_tensor(DType::u8, 0.03F, 3);
  for (const int64_t axis : {0, 1, 2, 3, -1}) {
    ir::Dims a = {2, 3, 4, 5}, b = a;
    b[static_cast<size_t>(axis < 0 ? axis + 4 : axis)] = 7;
    Step s = {OpKind::concat, {a, b, a}, {quant, quant, quant, quant}};
    s.attributes.set("axis", axis);
    check(s, "concat_i8");
  }
  Step flat = {OpKind::concat, {{3, 4}, {3, 0}, {3, 9}}, {quant, quant, quant, quant}};
  flat.attributes.set("axis", int64_t{1});
  check(flat, "concat_i8");
}

TEST(CodeSteps, PadIsThePlainOne) {
  for (const int32_t zero_point : {0, 77}) {
    const ir::Quant quant = per_tensor(DType::u8, 0.03F, zero_point);
    const auto pad = [&](ir::Dims dims, ir::Ints pads) {
      check({OpKind::pad, {std::move(dims)}, {quant, quant}, {}, 0, 0, {std::move(pads)}}, "pad_i8");
    };
    for (const int64_t channels : {1, 3, 17, 64}) {
      pad({2, channels, 5, 4}, {0, 0, 1, 2, 0, 0, 3, 1});
      pad({2, channels, 5, 4}, {0, 8, 0, 0, 0, 7, 0, 0});
      pad({2, channels, 5, 4}, {0, 2, -1, 1, 0, 0, -2, 0});
      pad({1, channels, 5, 4}, {0, 0, 0, 0, 0, 0, 0, 0});
      pad({1, channels, 5, 4}, {1, 0, -5, 0, 2, 0, 3, 0});
    }
    pad({3, 5}, {1, 0, 0, 4});
    pad({7}, {2, 3});
  }
}

TEST(CodeSteps, TransposeIsThePlainOne) {
  const ir::Quant quant = per_tensor(DType::u8, 0.03F, 3);
  const auto transpose = [&](ir::Dims dims, const ir::Ints& perm) {
    ir::Attributes attributes;
    if (!perm.empty()) attributes.set("perm", perm);
    check({OpKind::transpose, {std::move(dims)}, {quant, quant}, attributes}, "transpose_i8");
  };
  for (const int64_t channels : {1, 3, 17, 64}) {
    transpose({2, channels, 7, 8}, {0, 2, 3, 1});
    transpose({2, channels, 7, 8}, {0, 3, 1, 2});
    transpose({2, channels, 7, 8}, {3, 1, 0, 2});
    transpose({2, channels, 7}, {});
  }
  transpose({9, 4}, {1, 0});
  transpose({2, 3, 2, 5, 2}, {0, 2, 1, 3, 4});
}

TEST(CodeSteps, SliceIsThePlainOne) {
  const ir::Quant quant = per_tensor(DType::i8, 0.03F, 3);
  const auto slice = [&](ir::Dims dims, std::vector<ir::Ints> operands) {
    check({OpKind::slice, {std::move(dims)}, {quant, quant}, {}, 0, 0, std::move(operands)}, "slice_i8");
  };
  for (const int64_t channels : {1, 3, 17, 64}) {
    slice({2, channels, 7, 8}, {{0, 0}, {100, 100}, {2, 3}, {2, 2}});
    slice({2, channels, 7, 8}, {{1, -5}, {-1, 7}, {3, -2}, {3, 1}});
    slice({2, channels, 7, 8}, {{-1, 100}, {-100, 0}, {2, 3}, {-1, -3}});
    slice({2, channels, 7, 8}, {{0, channels / 2}, {1, channels}});
    slice({2, channels, 7, 8}, {{0}, {2}, {0}, {1}});
    slice({2, channels, 7, 8}, {{5}, {5}, {2}, {1}});
  }
  slice({9, 4}, {{-3}, {9}, {0}, {2}});
}

TEST(CodeSteps, FunctionsAreThePlainOnes) {
  for (const int64_t channels : kSizes) {
    for (const OpKind op : {OpKind::sigmoid, OpKind::relu, OpKind::hard_swish}) {
      check({op, {{2, channels, 9, 3}}, {per_tensor(DType::u8, 0.05F, 128), per_tensor(DType::i8, 0.03F, -20)}},
            "lookup_i8");
    }
  }
}

TEST(CodeSteps, ConversionsAreThePlainOnes) {
  const float odd[] = {NAN, INFINITY, -INFINITY, 1e30F, -1e30F, 0.5F, 1.5F, -0.5F, -2.5F, 0.0F};
  for (const ir::Dims& dims : {ir::Dims{2, 3, 17, 31}, ir::Dims{1, 1, 5, 9}, ir::Dims{2, 33, 1, 1}, ir::Dims{5, 40},
                               ir::Dims{1, 70, 20}, ir::Dims{0, 3, 2, 2}, ir::Dims{}}) {
    const int64_t count = ir::num_elements(dims);
    std::vector<float> reals(static_cast<size_t>(count));
    Random random(7);
    for (size_t i = 0; i < reals.size(); ++i) {
      reals[i] = i % 5 == 0 ? odd[i / 5 % 10] : static_cast<float>(random.uniform() * 300 - 150);
    }
    for (const ir::Quant& quant : {per_tensor(DType::u8, 1.0F, 128), per_tensor(DType::i8, 0.7F, -5)}) {
      const integer::CodeType type = *integer::code_type(&quant);
      for (const Layout layout : {Layout::row_major, Layout::channels_last}) {
        const CodeBuffer expected(count), codes = random_codes(count, 3), moved(count);
        integer::quantize(type, dims, reals.data(), layout, expected.bytes());
        std::vector<float> expected_reals(reals.size());
        integer::dequantize(type, dims, codes.bytes(), layout, expected_reals.data());
        for (const Isa isa : cpu_isas()) {
          const CodeBuffer actual(count);
          native::quantize_codes(isa, type, dims, reals.data(), layout, actual.bytes());
          EXPECT_EQ(std::memcmp(actual.data(), expected.data(), static_cast<size_t>(count)), 0) << isa_word(isa);
          EXPECT_TRUE(actual.intact());
          std::vector<float> actual_reals(reals.size());
          native::dequantize_codes(isa, type, dims, codes.bytes(), layout, actual_reals.data());
          EXPECT_EQ(actual_reals, expected_reals) << isa_word(isa);
        }
        const CodeBuffer changed(count);
        integer::change_layout(dims, codes.bytes(), layout, moved.bytes());
        native::change_code_layout(dims, codes.bytes(), layout, changed.bytes());
        EXPECT_EQ(std::memcmp(changed.data(), moved.data(), static_cast<size_t>(count)), 0);
      }
    }
  }
}

// The emulated vectors of 16 lanes have no instruction set of their own: their element-wise loops against those of 8.
TEST(CodeSteps, EmulatedVectorsGiveTheSameBytes) {
  constexpr int64_t kCount = 77;
  const CodeBuffer a = random_codes(kCount, 1), b = random_codes(kCount, 2);
  std::vector<CodeBuffer> first;
  for (const NamedTable& t : code_tables()) {
    SCOPED_TRACE(t.name);
    const native::CodeStore store = {.zero_point = 20, .lo = 10, .hi = 250, .flip = 128};
    std::vector<CodeBuffer> out(4, CodeBuffer(0));
    for (CodeBuffer& buffer : out) buffer = CodeBuffer(kCount);
    t.table->add({a.data(), b.data(), 128, 0, 0.37F, 1.21F, -30.5F, kCount, out[0].data(), store});
    const int64_t taps[] = {0, 3, 7};
    t.table->max({a.data(), taps, 3, 128, kCount - 7, out[1].data()});
    t.table->mean({a.data(), 2, 3, 5, 1, 128, -90, 0.11F, kCount - 7, out[2].data(), store});
    std::vector<float> reals(kCount);
    t.table->dequantize(a.data(), 128, 5, 0.3F, reals.data(), kCount);
    t.table->quantize({reals.data(), 0.21F, -100, 90, kCount, out[3].data(), store});
    for (size_t i = 0; i < out.size(); ++i) {
      EXPECT_TRUE(out[i].intact());
      if (!first.empty()) {
        EXPECT_EQ(std::memcmp(out[i].data(), first[i].data(), kCount), 0) << i;
      }
    }
    if (first.empty()) first = out;
  }
}

}  // namespace
}  // namespace edgesmith::runtime

// SPDX-License-Identifier: Apache-2.0
// 39 to 45: size, files and environment. Files of gigabytes are in tests/oracle/big_files.py.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "edgesmith/base/file.h"
#include "nasty/row.h"

namespace edgesmith::nasty {
namespace {

namespace fs = std::filesystem;
using ::onnx::TensorProto;
using testing::ToolResult;

constexpr const char* kTwoProducts = R"(g (float[N,4] x) => (float[N,4] y) <float[4,4] w, float[4,4] v> {
    h = MatMul(x, w)
    r = Relu(h)
    y = MatMul(r, v)
  })";

void put_entry(TensorProto& tensor, const std::string& key, const std::string& value) {
  auto& entry = *tensor.add_external_data();
  entry.set_key(key);
  entry.set_value(value);
}

/// Says that the data of `tensor` are 64 bytes at `offset` of `location`.
void refer(TensorProto& tensor, const std::string& location, const std::string& offset = "0",
           const std::string& length = "64") {
  tensor.clear_raw_data();
  tensor.set_data_location(TensorProto::EXTERNAL);
  put_entry(tensor, "location", location);
  put_entry(tensor, "offset", offset);
  put_entry(tensor, "length", length);
}

/// A model that names external data for `w`, before those are there.
std::function<void(Model&)> external(const std::string& location, const std::string& offset = "0",
                                     const std::string& length = "64") {
  return [=](Model& model) { refer(*find_initializer(model, "w"), location, offset, length); };
}

/// Feeds the seeded inputs of kTwoProducts and writes `bytes` beside the model as `name`.
std::function<void(const std::string&)> beside(const std::vector<std::string>& names, size_t bytes) {
  return [=](const std::string& folder) {
    std::vector<float> numbers(bytes / sizeof(float));
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i % 7) * 0.25f - 0.5f;
    const std::string text(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
    for (const std::string& name : names) ASSERT_TRUE(write_file(folder + "/../" + name, text).ok());
    write_input(float_tensor("x", {2, 4}, {1, 2, 3, 4, -1, 0.5, 0.25, 2}), folder, 0);
  };
}

std::vector<Row> external_rows() {
  return {
      {.number = "39a",
       .title = "several external files and offsets",
       .text = kTwoProducts,
       .edit =
           [](Model& model) {
             refer(*find_initializer(model, "w"), "w.bin", "16");
             refer(*find_initializer(model, "v"), "v.bin", "128");
           },
       .check =
           [](Ran& ran) {  // the output takes its data along, or has them inside
             fs::remove(ran.folder + "/w.bin");
             expect_same(ran.simple_answers, ran.answer("simple"), 0);
           },
       .inputs = beside({"w.bin", "v.bin"}, 256)},
      {.number = "39i",
       .title = "the place of the output's data is the input's data",
       .text = kTwoProducts,
       .edit = external("out.onnx.data"),
       .check =
           [](Ran& ran) {
             const std::string before = *read_file(ran.folder + "/out.onnx.data");
             const ToolResult result = ran.run({"simplify", "m.onnx", "-o", "out.onnx", "--force"});
             EXPECT_EQ(result.exit_code, 2);
             EXPECT_NE(result.err.find("out.onnx.data: the output is the input"), std::string::npos) << result.err;
             EXPECT_EQ(*read_file(ran.folder + "/out.onnx.data"), before);
             const ToolResult report = ran.run({"simplify", "m.onnx", "-o", "other.onnx", "--json"});
             const size_t bytes = fs::file_size(ran.folder + "/m.onnx") + before.size();
             EXPECT_NE(report.out.find("\"bytes\": " + std::to_string(bytes)), std::string::npos)
                 << "with the data, whatever their file is called";
           },
       .inputs = beside({"out.onnx.data"}, 64)},
      {.number = "39b",
       .title = "external data cut off",
       .text = kTwoProducts,
       .codes = kInvalid,
       .says = "w.bin",
       .edit = external("w.bin", "0"),
       .inputs = beside({"w.bin"}, 60)},
      {.number = "39c",
       .title = "external data missing",
       .text = kTwoProducts,
       .codes = kInvalid,
       .says = "'gone.bin' are missing",
       .edit = external("gone.bin"),
       .inputs = beside({}, 0)},
      {.number = "39d",
       .title = "external data above the folder",
       .text = kTwoProducts,
       .codes = kInvalid,
       .says = "outside the model's folder",
       .edit = external("../../../../../../etc/passwd"),
       .inputs = beside({}, 0)},
      {.number = "39e",
       .title = "external data by an absolute path",
       .text = kTwoProducts,
       .codes = kInvalid,
       .says = "outside the model's folder",
       .edit = external("/etc/passwd"),
       .inputs = beside({}, 0)},
      {.number = "39f",
       .title = "external data through a link out of the folder",
       .text = kTwoProducts,
       .codes = kInvalid,
       .says = "outside the model's folder",
       .edit = external("out.bin"),
       .inputs =
           [](const std::string& folder) {
             beside({}, 0)(folder);
             fs::create_symlink("/etc/passwd", folder + "/../out.bin");
           }},
      {.number = "39g",
       .title = "external offsets that overflow",
       .text = kTwoProducts,
       .codes = kInvalid,
       .says = "'w'",
       .edit = external("w.bin", "18446744073709551600", "64"),
       .inputs = beside({"w.bin"}, 64)},
      {.number = "39h",
       .title = "external data in a pipe",
       .text = kTwoProducts,
       .codes = kInvalid,
       .says = "w.bin",
       .edit = external("w.bin"),
       .inputs =
           [](const std::string& folder) {
             beside({}, 0)(folder);
             ASSERT_EQ(mkfifo((folder + "/../w.bin").c_str(), 0600), 0);
           }},
      {.number = "40a",
       .title = "external data in a Constant node",
       .text = R"(g (float[2,4] x) => (float[2,4] y) {
          w = Constant<value = float[4,4] {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}>()
          y = MatMul(x, w)
        })",
       .edit =
           [](Model& model) {
             auto& t = *model.mutable_graph()->mutable_node(0)->mutable_attribute(0)->mutable_t();
             t.clear_float_data();
             refer(t, "w.bin");
           },
       .check =
           [](Ran& ran) {
             fs::remove(ran.folder + "/w.bin");
             expect_same(ran.simple_answers, ran.answer("simple"), 0);
           },
       .inputs = beside({"w.bin"}, 64)},
      {.number = "40b",
       .title = "external data in a body",
       .text = R"(g (bool flag, float[2,4] x) => (float[2,4] y) {
          y = If(flag) <
            then_branch = a () => (float[2,4] t) <float[4,4] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}> { t = MatMul(x, w) },
            else_branch = b () => (float[2,4] e) { e = Relu(x) }
          >
        })",
       .edit =
           [](Model& model) {
             for (auto& attribute : *model.mutable_graph()->mutable_node(0)->mutable_attribute()) {
               if (attribute.g().initializer_size() == 0) continue;
               auto& tensor = *attribute.mutable_g()->mutable_initializer(0);
               tensor.clear_float_data();
               refer(tensor, "w.bin");
             }
           },
       .check =
           [](Ran& ran) {
             fs::remove(ran.folder + "/w.bin");
             EXPECT_EQ(ran.run({"inspect", "simple.onnx"}).exit_code, 0) << "the output must not need the input's data";
             fs::copy_file(ran.folder + "/simple.onnx", ran.folder + "/again.onnx");
             EXPECT_EQ(ran.run({"simplify", "again.onnx", "-o", "twice.onnx"}).exit_code, 0);
           },
       .inputs =
           [](const std::string& folder) {
             beside({"w.bin"}, 64)(folder);
             fs::rename(folder + "/input_0.pb", folder + "/input_1.pb");
             TensorProto flag;
             flag.set_name("flag");
             flag.set_data_type(TensorProto::BOOL);
             flag.add_int32_data(1);
             write_input(flag, folder, 0);
           },
       .grows = 64},  // the data are inside now
  };
}

/// A chain of `count` Adds; one tensor with `count` readers; `count` initializers of four bytes.
Row many_row(const std::string& number, const std::string& title, const std::function<void(Model&)>& edit) {
  return {.number = number,
          .title = title,
          .text = "g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }",
          .db = 15,
          .quantize_args = {"--calibrator", "minmax"},
          .edit = edit,
          .big = true};
}

::onnx::NodeProto& add_node(Model& model, const std::string& op, const std::vector<std::string>& inputs,
                            const std::string& output) {
  auto& node = *model.mutable_graph()->add_node();
  node.set_op_type(op);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

std::vector<Row> many_rows() {
  return {
      many_row("41a", "a chain of 100000 nodes",
               [](Model& model) {
                 model.mutable_graph()->clear_node();
                 std::string last = "x";
                 for (int i = 0; i < 99999; ++i) {
                   const std::string next = "t" + std::to_string(i);
                   add_node(model, i % 2 == 0 ? "Tanh" : "Sigmoid", {last}, next);
                   last = next;
                 }
                 add_node(model, "Relu", {last}, "y");
               }),
      many_row("41b", "a tensor with 10000 readers",
               [](Model& model) {
                 model.mutable_graph()->clear_node();
                 auto& sum = add_node(model, "Sum", {}, "y");
                 for (int i = 0; i < 10000; ++i) {
                   const std::string name = "t" + std::to_string(i);
                   auto& node = add_node(model, "LeakyRelu", {"x"}, name);
                   auto& alpha = *node.add_attribute();
                   alpha.set_name("alpha");
                   alpha.set_type(::onnx::AttributeProto::FLOAT);
                   alpha.set_f(0.00001f * static_cast<float>(i));
                   sum.add_input(name);
                 }
                 model.mutable_graph()->mutable_node()->SwapElements(0, 10000);
               }),
      many_row("41c", "50000 initializers of four bytes",
               [](Model& model) {
                 model.mutable_graph()->clear_node();
                 auto& sum = add_node(model, "Sum", {"x"}, "y");
                 for (int i = 0; i < 50000; ++i) {
                   const std::string name = "w" + std::to_string(i);
                   *model.mutable_graph()->add_initializer() =
                       float_tensor(name, {}, {0.001f * static_cast<float>(i % 100)});
                   sum.add_input(name);
                 }
               }),
  };
}

std::vector<Row> opset_rows() {
  return {
      {.number = "42a",
       .title = "opset 1",
       .text = R"(<ir_version: 3, opset_import: ["" : 1]> g (float[2,4] x) => (float[2,4] y) {
          h = Relu<consumed_inputs = [0]>(x)
          y = Add<axis = 0, broadcast = 1>(h, x)
        })",
       .codes = {4, 4, 4, 4},
       .says = "opset 1 is older"},
      {.number = "42b",
       .title = "opset 6 with an old BatchNormalization",
       .text = R"(<ir_version: 4, opset_import: ["" : 6]> g (float[1,3,4,4] x) => (float[1,3,4,4] y)
        <float[3] scale, float[3] shift, float[3] mean, float[3] var> {
          b = BatchNormalization<spatial = 1, is_test = 1>(x, scale, shift, mean, var)
          y = Dropout<is_test = 1, ratio = 0.5>(b)
        })",
       .codes = {4, 4, 4, 4},
       .says = "opset 6 is older"},
      {.number = "42c",
       .title = "opset 7 with Upsample and the ratio of Dropout",
       .text = R"(<ir_version: 4, opset_import: ["" : 7]> g (float[1,3,4,4] x) => (float[1,3,8,8] y)
        <float[3,3,1,1] w, float[3] scale = {1, 2, 3}, float[3] shift, float[3] mean, float[3] var> {
          c = Conv(x, w)
          b = BatchNormalization<spatial = 1>(c, scale, shift, mean, var)
          d = Dropout<ratio = 0.5>(b)
          y = Upsample<mode = "nearest", scales = [1.0, 1.0, 2.0, 2.0]>(d)
        })",
       .check =
           [](Ran& ran) {
             EXPECT_EQ(count_nodes(ran.simple, "Dropout") + count_nodes(ran.simple, "BatchNormalization"), 0);
           }},
      {.number = "42d",
       .title = "an opset that nobody knows yet",
       .text =
           R"(<ir_version: 8, opset_import: ["" : 99]> g (float[N,4] x) => (float[N,4] y) <float[4,4] w> { y = MatMul(x, w) })",
       .says = "opset 99 is newer"},
      {.number = "42e",
       .title = "two opsets of the default domain",
       .text =
           R"(<ir_version: 8, opset_import: ["" : 13, "ai.onnx" : 12]> g (float[N,4] x) => (float[N,4] y) { y = Relu(x) })",
       .codes = kInvalid,
       .says = "13 and 12"},
      {.number = "42f",
       .title = "a mix with ai onnx ml",
       .text =
           R"(<ir_version: 8, opset_import: ["" : 13, "ai.onnx.ml" : 2]> g (float[N,4] x) => (float[N,4] y) <float[4,4] w> {
          h = MatMul(x, w)
          y = ai.onnx.ml.Scaler<offset = [0.5], scale = [2.0]>(h)
        })",
       .codes = {.quantize = 4, .infer = 4},
       .says = "Scaler",
       .check = [](Ran& ran) { EXPECT_EQ(count_nodes(ran.simple, "Scaler"), 1); }},
  };
}

std::vector<Row> foreign_rows() {
  const auto file = [](const std::string& number, const std::string& title, const std::string& bytes,
                       const std::string& says) {
    return Row{.number = number, .title = title, .text = "", .codes = kInvalid, .says = says, .bytes = bytes};
  };
  return {
      file("43a", "an empty file", "", "is empty"),
      file("43b", "a frozen TensorFlow graph", std::string("\x0a\x14\x0a\x05input\x12\x0bPlaceholder", 22),
           "looks like a frozen TensorFlow graph"),
      file("43c", "a PyTorch archive", std::string("PK\3\4\0\0\0\0archive/data.pkl", 24),
           "looks like a PyTorch checkpoint"),
      file("43d", "a git-lfs pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
           "git-lfs pointer"),
      file("43e", "a gzipped model", std::string("\x1f\x8b\x08\0\0\0\0\0\0\3", 10), "looks like a gzip file"),
      file("43f", "a page of HTML", "<!DOCTYPE html><html><body>404</body></html>", "looks like an HTML page"),
  };
}

std::vector<Row> broken_rows() {
  const auto raw = [](const std::string& name, std::vector<int64_t> dims, size_t bytes) {
    return [=](Model& model) {
      auto& tensor = *find_initializer(model, name);
      tensor.clear_dims();
      for (const int64_t dim : dims) tensor.add_dims(dim);
      tensor.set_raw_data(std::string(bytes, '\0'));
    };
  };
  const std::string conv = "g (float[1,3,6,6] x) => (float[1,4,4,4] y) <float[4,3,3,3] w> { y = Conv(x, w) }";
  const std::string product = "g (float[1,4] x) => (float[1,4] y) <float[4,4] w> { y = MatMul(x, w) }";
  return {
      {.number = "44a",
       .title = "Gemm of wrong ranks",
       .text = "g (float[1,4,4] x) => (float[1,4,4] y) <float[4,4] w> { y = Gemm(x, w) }",
       .codes = kInvalid,
       .says = "producing 'y'"},
      {.number = "44b",
       .title = "Conv with a scalar weight",
       .text = conv,
       .codes = kInvalid,
       .says = "producing 'y'",
       .edit = raw("w", {}, 4)},
      {.number = "44c",
       .title = "Einsum with a bad equation",
       .text = "g (float[1,4] x) => (float[1,4] y) <float[4,4] w> { y = Einsum<equation = \"ij,jk->i!\">(x, w) }",
       .codes = kInvalid,
       .says = "producing 'y'"},
      {.number = "44d",
       .title = "dims whose product overflows",
       .text = product,
       .codes = kInvalid,
       .says = "'w'",
       .edit = raw("w", {1LL << 33, 1LL << 33}, 64)},
      {.number = "44e",
       .title = "less data than dims",
       .text = product,
       .codes = kInvalid,
       .says = "'w': raw_data has 12 bytes",
       .edit = raw("w", {4, 4}, 12)},
      {.number = "44g",  // found by a fuzzer
       .title = "ConvInteger with a scalar weight",
       .text = "g (uint8[1,3,6,6] x) => (int32[1,4,4,4] y) <uint8 w = {3}> { y = ConvInteger(x, w) }",
       .codes = kInvalid,
       .says = "producing 'y'"},
      {.number = "44f",
       .title = "dims of a petabyte without data",
       .text = product,
       .codes = kInvalid,
       .says = "'w'",
       .edit = raw("w", {1 << 25, 1 << 25}, 0)},
  };
}

/// Runs `args` in a folder of the row's own, with what bash does before.
void place_check(Ran& ran) {
  // A folder with a space, a letter beyond ASCII, and a name of 255 bytes.
  const std::string place = "a folder \xC3\xBC\xE6\xA8\xA1/" + std::string(247, 'n') + ".onnx";
  fs::create_directory(ran.folder + "/a folder \xC3\xBC\xE6\xA8\xA1");
  const Model far = ran.written({"simplify", "m.onnx", "-o", place}, place);
  EXPECT_EQ(far.SerializeAsString(), ran.simple.SerializeAsString());
  EXPECT_EQ(ran.run({"inspect", place}).exit_code, 0);
}

void output_check(Ran& ran) {
  const std::string before = *read_file(ran.folder + "/m.onnx");
  EXPECT_EQ(ran.run({"simplify", "m.onnx", "-o", "m.onnx", "--force"}).exit_code, 2);
  fs::create_symlink("m.onnx", ran.folder + "/link.onnx");
  EXPECT_EQ(ran.run({"simplify", "m.onnx", "-o", "link.onnx", "--force"}).exit_code, 2);
  fs::create_hard_link(ran.folder + "/m.onnx", ran.folder + "/hard.onnx");
  EXPECT_EQ(ran.run({"simplify", "m.onnx", "-o", "hard.onnx", "--force"}).exit_code, 2);
  EXPECT_EQ(*read_file(ran.folder + "/m.onnx"), before);
  EXPECT_EQ(ran.run({"simplify", "m.onnx", "-o", "none/out.onnx"}).exit_code, 5);
  EXPECT_EQ(ran.run({"simplify", "m.onnx", "-o", "data"}).exit_code, 2);
  if (access("/dev/full", W_OK) == 0) {
    EXPECT_EQ(ran.run({"simplify", "m.onnx", "-o", "/dev/full"}).exit_code, 5);
  }
}

void jobs_check(Ran& ran) {
  // 16 at once, in a folder that cannot be written, to one output: whole whoever wins.
  fs::create_directory(ran.folder + "/sealed");
  fs::permissions(ran.folder + "/sealed", fs::perms::owner_read | fs::perms::owner_exec);
  std::vector<pid_t> jobs;
  for (int i = 0; i < 16; ++i) {
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      testing::ToolOptions options;
      options.folder = ran.folder + "/sealed";
      const ToolResult result =
          testing::run_tool({"simplify", "../m.onnx", "-o", "../shared.onnx", "--force"}, options);
      _exit(result.exit_code);
    }
    jobs.push_back(pid);
  }
  for (const pid_t pid : jobs) {
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
  }
  EXPECT_EQ(*read_file(ran.folder + "/shared.onnx"), *read_file(ran.folder + "/simple.onnx"));
  fs::permissions(ran.folder + "/sealed", fs::perms::owner_all);
}

std::vector<Row> place_rows() {
  return {
      {.number = "45a",
       .title = "paths with spaces unicode and 255 letters",
       .text = kTwoProducts,
       .check = place_check},
      {.number = "45b", .title = "outputs that cannot be written", .text = kTwoProducts, .check = output_check},
      {.number = "45c", .title = "16 jobs at once in a sealed folder", .text = kTwoProducts, .check = jobs_check},
  };
}

}  // namespace

std::vector<Row> file_rows() {
  std::vector<Row> rows;
  for (auto* some : {external_rows, many_rows, opset_rows, foreign_rows, broken_rows, place_rows}) {
    for (Row& row : some()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace edgesmith::nasty

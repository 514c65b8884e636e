// SPDX-License-Identifier: Apache-2.0
// Tables of numbers with named columns.
#include <gtest/gtest.h>

#include "data/data_helper.h"

namespace edgesmith::data {
namespace {

ir::Graph table_model(int64_t features, int64_t classes = 3) {
  return model({{"x", type_with(ir::DType::f32, {-1, features})}}, classes);
}

DataSpec table(const std::string& path, std::vector<std::string> features, const std::string& label = {}) {
  DataSpec spec = spec_of(path, label);
  spec.features = std::move(features);
  return spec;
}

Error open_error(const DataSpec& spec, const ir::Graph& graph) {
  auto dataset = open_dataset(spec, graph);
  EXPECT_FALSE(dataset.ok());
  return dataset.ok() ? Error() : dataset.error();
}

class CsvTable : public ::testing::Test {
 protected:
  void TearDown() override { log::take_warnings(); }
  TempFolder folder_;
  const std::string path_ =
      folder_.write("t.csv", "id,b,\"a, long\",kind,y\r\n7,2,1.5,0,0.25\r\n\r\n8,-4,+3e1,2,1\r\n");
};

TEST_F(CsvTable, TakesColumnsInTheOrderAskedFor) {
  auto dataset = open_dataset(table(path_, {"a, long", "b"}, "kind"), table_model(2));
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->size(), 2);
  EXPECT_TRUE((*dataset)->has_labels());
  const auto sample = (*dataset)->sample(1);
  ASSERT_GOOD(sample);
  EXPECT_EQ(sample->inputs[0].dims(), (ir::Dims{1, 2}));
  EXPECT_EQ(sample->inputs[0].to_floats(), (std::vector<float>{30, -4}));
  EXPECT_EQ(sample->label, 2);
  EXPECT_EQ((*dataset)->sample_name(1), path_ + "[1]");
}

TEST_F(CsvTable, TakesRealLabelsAsExpectedOutputs) {
  auto dataset = open_dataset(table(path_, {"b"}, "y"), table_model(1, 1));
  ASSERT_GOOD(dataset);
  EXPECT_FALSE((*dataset)->has_labels());
  EXPECT_EQ((*dataset)->sample(0)->targets[0].to_floats(), std::vector<float>{0.25f});
}

TEST_F(CsvTable, GivesEveryInputTheColumnOfItsName) {
  const ir::Graph two =
      model({{"kind", type_with(ir::DType::i64, {-1, 1})}, {"b", type_with(ir::DType::f32, {-1, 1})}});
  auto dataset = open_dataset(table(path_, {"b", "kind"}), two);
  ASSERT_GOOD(dataset);
  const auto sample = (*dataset)->sample(0);
  EXPECT_EQ(sample->inputs[0].to_int64s(), std::vector<int64_t>{0});
  EXPECT_EQ(sample->inputs[1].to_floats(), std::vector<float>{2});
  EXPECT_EQ(open_error(table(path_, {"b"}), two).message, path_ + ": no feature for the model's input 'kind'");
  EXPECT_EQ(open_error(table(path_, {"b", "y"}),
                       model({{"y", type_with(ir::DType::i64, {-1, 1})}, {"b", type_with(ir::DType::f32, {-1, 1})}}))
                .kind,
            ErrorKind::invalid)
      << "0.25 is no integer";
}

TEST_F(CsvTable, PreprocessesColumnsOneByOne) {
  Preprocess preprocess;
  preprocess.mean = {1, 2};
  preprocess.std = {0.5, 4};
  DataSpec spec = table(path_, {"a, long", "b"});
  spec.preprocess = {{"", preprocess}};
  auto dataset = open_dataset(spec, table_model(2));
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->sample(0)->inputs[0].to_floats(), (std::vector<float>{1, 0}));
}

TEST_F(CsvTable, IsDescribedInToml) {
  auto spec =
      data_spec_from_toml("path = \"t.csv\"\nfeatures = [\"b\"]\nlabel = \"kind\"\n", folder_.path(), {"d.toml"});
  ASSERT_GOOD(spec);
  EXPECT_EQ(spec->features, std::vector<std::string>{"b"});
  EXPECT_EQ(spec->labels, "kind");
  EXPECT_EQ(data_spec_from_toml("path = \"t.csv\"\nfeatures = \"b\"\n", "", {"d.toml"}).error().message,
            "d.toml: line 2: 'features' is not a list of columns");
  EXPECT_EQ(data_spec_from_toml("path = \"t\"\nlabel = \"a\"\nlabels = \"b\"\n", "", {"d.toml"}).error().kind,
            ErrorKind::usage);
  folder_.write("d.toml", "path = \"t.csv\"\nfeatures = [\"b\"]\nlabel = \"kind\"\n");
  EXPECT_TRUE(open_dataset(spec_of(folder_ / "d.toml"), table_model(1)).ok());
}

TEST_F(CsvTable, NamesTheFieldThatIsWrong) {
  const auto error = [&](const std::string& text, const std::string& label = "y") {
    return open_error(table(folder_.write("bad.csv", text), {"a"}, label), table_model(1)).message;
  };
  const std::string bad = folder_ / "bad.csv";
  EXPECT_EQ(error("a,y\n1,0\n,1\n"), bad + ":3: '' in column 'a' is no finite number");
  EXPECT_EQ(error("a,y\nred,0\n"), bad + ":2: 'red' in column 'a' is no finite number");
  EXPECT_EQ(error("a,y\nnan,0\n"), bad + ":2: 'nan' in column 'a' is no finite number");
  EXPECT_EQ(error("a,y\n1,cat\n"), bad + ":2: 'cat' in column 'y' is no finite number");
  EXPECT_EQ(error("a,y\n1,0,3\n"), bad + ":2: 3 fields, the header has 2");
  EXPECT_EQ(error("a,y\n\"1,0\n"), bad + ":2: a quoted field does not end");
  EXPECT_EQ(error("a,y\n"), bad + ": no rows below the header");
  EXPECT_EQ(error(""), bad + ":1: no header");
  EXPECT_EQ(error("a,y\n1,0\n", "z"), bad + ":1: no column 'z' in the header, but a, y");
  EXPECT_EQ(error("b,y\n1,0\n"), bad + ":1: no column 'a' in the header, but b, y");
  EXPECT_EQ(error("a,y\n1,7\n"), bad + "[0]: label 7 is not in 0 to 2, the classes of output 'scores'");
  EXPECT_EQ(open_error(table(folder_.path(), {"a"}), table_model(1)).kind, ErrorKind::usage) << "a folder is no table";
}

}  // namespace
}  // namespace edgesmith::data

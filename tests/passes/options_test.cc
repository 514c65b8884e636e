// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/passes/options.h"

#include <gtest/gtest.h>

namespace edgesmith::passes {
namespace {

const OptionSchema& schema() {
  static const OptionSchema rows = {
      {"per_tensor", OptionKind::flag, "false", "one scale for the whole weight"},
      {"num_bins", OptionKind::integer, "2048", "bins of a histogram", 16, 65536},
      {"percentile", OptionKind::real, "99.99", "percent of the values kept", 50, 100},
      {"weights", OptionKind::word, "int8", "type of the weights", 0, 0, {"int8", "int4", "float"}},
      {"note", OptionKind::word, "", "any text"},
      {"skip", OptionKind::text_list, "", "globs of nodes"},
      {"seed", OptionKind::integer, "", "unset unless given"},
  };
  return rows;
}

TEST(Options, HaveTheDefaultsOfTheirSchema) {
  const Options options(schema());
  EXPECT_FALSE(options.flag("per_tensor"));
  EXPECT_EQ(options.integer("num_bins"), 2048);
  EXPECT_EQ(options.real("percentile"), 99.99);
  EXPECT_EQ(options.word("weights"), "int8");
  EXPECT_TRUE(options.list("skip").empty());
  EXPECT_TRUE(options.is_set("num_bins"));
  EXPECT_FALSE(options.given("num_bins"));
  EXPECT_FALSE(options.is_set("seed"));
}

TEST(Options, ReadTextOfTheCommandLineInEitherSpelling) {
  Options options(schema());
  ASSERT_TRUE(options.set_text("per-tensor", "true").ok());
  ASSERT_TRUE(options.set_text("num_bins", "512").ok());
  ASSERT_TRUE(options.set_text("percentile", "99").ok());
  ASSERT_TRUE(options.set_text("weights", "int4").ok());
  EXPECT_TRUE(options.flag("per_tensor"));
  EXPECT_EQ(options.integer("num-bins"), 512);
  EXPECT_EQ(options.real("percentile"), 99.0);
  EXPECT_EQ(options.word("weights"), "int4");
  EXPECT_TRUE(options.given("weights"));
}

TEST(Options, CollectARepeatedList) {
  Options options(schema());
  ASSERT_TRUE(options.set_text("skip", "a,b").ok());
  ASSERT_TRUE(options.set_text("skip", "c*").ok());
  EXPECT_EQ(options.list("skip"), (std::vector<std::string>{"a", "b", "c*"}));
}

TEST(Options, TakeTypedValuesOfARecipeWhereNothingIsLost) {
  Options options(schema());
  EXPECT_TRUE(options.set("percentile", int64_t{99}).ok());
  EXPECT_TRUE(options.set("num_bins", 1024.0).ok());
  EXPECT_TRUE(options.set("skip", std::string("stem")).ok());
  EXPECT_EQ(options.real("percentile"), 99.0);
  EXPECT_EQ(options.integer("num_bins"), 1024);
  EXPECT_EQ(options.list("skip"), std::vector<std::string>{"stem"});
  EXPECT_EQ(options.set("num_bins", 1024.5).error().message, "option 'num_bins' wants a whole number, not a number");
  EXPECT_EQ(options.set("num_bins", std::string("64")).error().message,
            "option 'num_bins' wants a whole number, not a text");
}

TEST(Options, RefuseWhatTheSchemaDoesNotAllow) {
  Options options(schema());
  const auto unknown = options.set_text("num-bin", "3").error();
  EXPECT_EQ(unknown.kind, ErrorKind::usage);
  EXPECT_EQ(unknown.text(), "unknown option 'num-bin'; did you mean 'num_bins'?");
  EXPECT_EQ(options.set_text("num_bins", "3").error().message, "option 'num_bins' is 3, outside 16 to 65536");
  EXPECT_EQ(options.set_text("num_bins", "3x").error().message, "option 'num_bins' wants a whole number, not '3x'");
  EXPECT_EQ(options.set_text("percentile", "nan").error().message, "option 'percentile' is nan, outside 50 to 100");
  EXPECT_EQ(options.set_text("per_tensor", "maybe").error().message,
            "option 'per_tensor' wants true or false, not 'maybe'");
  EXPECT_EQ(options.set_text("weights", "in8").error().text(),
            "option 'weights' has no value 'in8'; did you mean 'int8'? known: int8, int4, float");
  EXPECT_EQ(options.integer("num_bins"), 2048) << "a refused value leaves the old one";
}

TEST(Options, ListWhatIsInForce) {
  Options options(schema());
  ASSERT_TRUE(options.set_text("seed", "7").ok());
  const auto values = options.effective();
  ASSERT_EQ(values.size(), 5u);
  EXPECT_EQ(values[0].first, "per_tensor");
  EXPECT_EQ(values[4].first, "seed");
  EXPECT_EQ(std::get<int64_t>(values[4].second), 7);
}

}  // namespace
}  // namespace edgesmith::passes

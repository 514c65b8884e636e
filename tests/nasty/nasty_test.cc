// SPDX-License-Identifier: Apache-2.0
// Every row of the table is a test: Nasty.Inputs/12_subgraphs_read_outer_weights.
#include <gtest/gtest.h>

#include <cctype>
#include <set>

#include "nasty/row.h"

namespace edgesmith::nasty {
namespace {

/// How many numbers the list has.
constexpr int kNumbers = 54;

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (auto* some : {structure_rows, shape_rows, number_rows, file_rows, prune_rows, calibration_rows}) {
    for (Row& row : some()) rows.push_back(std::move(row));
  }
  return rows;
}

std::string test_name(const Row& row) {
  std::string name = row.number + " " + row.title;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

}  // namespace

/// For the lines of failures.
void PrintTo(const Row& row, std::ostream* out) { *out << row.number; }

namespace {

class Nasty : public ::testing::TestWithParam<Row> {};

TEST_P(Nasty, IsMet) { run_row(GetParam()); }

std::vector<Row> rows_that(bool are_big) {
  std::vector<Row> rows = all_rows();
  std::erase_if(rows, [&](const Row& row) { return row.big != are_big; });
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Inputs, Nasty, ::testing::ValuesIn(rows_that(false)),
                         [](const ::testing::TestParamInfo<Row>& info) { return test_name(info.param); });
INSTANTIATE_TEST_SUITE_P(Big, Nasty, ::testing::ValuesIn(rows_that(true)),
                         [](const ::testing::TestParamInfo<Row>& info) { return test_name(info.param); });

TEST(NastyTable, HasARowForEveryNumber) {
  std::set<int> numbers;
  for (const Row& row : all_rows()) numbers.insert(std::atoi(row.number.c_str()));
  for (int number = 1; number <= kNumbers; ++number) EXPECT_EQ(numbers.count(number), 1u) << number;
}

}  // namespace
}  // namespace edgesmith::nasty

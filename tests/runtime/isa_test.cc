// SPDX-License-Identifier: Apache-2.0
#include "runtime/isa.h"

#include <gtest/gtest.h>

namespace edgesmith::runtime {
namespace {

TEST(ChooseIsa, TakesTheBestOfThisCpuWithoutAWish) {
  const auto best = choose_isa("");
  ASSERT_TRUE(best.ok());
  EXPECT_TRUE(cpu_has(*best));
}

TEST(ChooseIsa, LowersToScalarEverywhere) {
  const auto isa = choose_isa("scalar");
  ASSERT_TRUE(isa.ok());
  EXPECT_EQ(*isa, Isa::scalar);
}

TEST(ChooseIsa, RefusesAnUnknownWord) {
  const auto isa = choose_isa("sse9");
  ASSERT_FALSE(isa.ok());
  EXPECT_EQ(isa.error().kind, ErrorKind::usage);
  EXPECT_NE(isa.error().text().find("avx512vnni"), std::string::npos);
}

TEST(ChooseIsa, RefusesASetThatThisCpuLacks) {
  for (const Isa isa : {Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vnni, Isa::neon, Isa::neondot}) {
    const auto chosen = choose_isa(isa_word(isa));
    EXPECT_EQ(chosen.ok(), cpu_has(isa)) << isa_word(isa);
    if (!chosen.ok()) {
      EXPECT_EQ(chosen.error().kind, ErrorKind::usage);
    }
  }
}

TEST(Isa, AllowsWhatItIncludes) {
  EXPECT_TRUE(allows(Isa::avx512, Isa::avx2));
  EXPECT_TRUE(allows(Isa::avx512vnni, Isa::avx512));
  EXPECT_TRUE(allows(Isa::avx2, Isa::scalar));
  EXPECT_FALSE(allows(Isa::avx2, Isa::avx512));
  EXPECT_FALSE(allows(Isa::neon, Isa::avx2));
  EXPECT_FALSE(allows(Isa::avx512vnni, Isa::neondot));
  EXPECT_FALSE(allows(Isa::scalar, Isa::avx2));
}

}  // namespace
}  // namespace edgesmith::runtime

// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/sha256.h"

#include <gtest/gtest.h>

#include <vector>

namespace edgesmith {
namespace {

// FIPS 180-4 example: the message "abc".
TEST(Sha256, MatchesThePublishedExample) {
  const std::string_view text = "abc";
  EXPECT_EQ(sha256_hex(std::as_bytes(std::span<const char>(text))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, OfPartsIsThatOfTheWhole) {
  const std::string_view a = "a", b = "", c = "bc", whole = "abc";
  const auto bytes = [](std::string_view text) { return std::as_bytes(std::span<const char>(text)); };
  const std::vector<std::span<const std::byte>> parts = {bytes(a), bytes(b), bytes(c)};
  EXPECT_EQ(sha256_hex(parts), sha256_hex(bytes(whole)));
}

}  // namespace
}  // namespace edgesmith

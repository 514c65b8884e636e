// SPDX-License-Identifier: Apache-2.0
#include "runtime/digests.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <map>
#include <sstream>
#include <string>

namespace edgesmith::runtime {

namespace {

const std::string kFile = EDGESMITH_SOURCE_DIR "/tests/runtime/digests.txt";

// FNV-1a.
class Digest {
 public:
  void add(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) hash_ = (hash_ ^ (value >> 8 * i & 255)) * 0x100000001b3U;
  }
  std::string text() const {
    std::ostringstream out;
    out << std::hex << std::setw(16) << std::setfill('0') << hash_;
    return out.str();
  }

 private:
  uint64_t hash_ = 0xcbf29ce484222325U;
};

std::map<std::string, std::string> read_lines() {
  std::map<std::string, std::string> lines;
  std::ifstream file(kFile);
  for (std::string name, digest; file >> name >> digest;) lines[name] = digest;
  return lines;
}

class Digests : public testing::EmptyTestEventListener {
 public:
  void add(const ir::Tensor& result) {
    any_ = true;
    for (const int64_t dim : result.dims()) digest_.add(static_cast<uint64_t>(dim), 8);
    if (result.dtype() == ir::DType::f32) {
      for (const float x : result.data<float>()) {
        digest_.add(std::isnan(x) ? 0x7fc00000U : std::bit_cast<uint32_t>(x), 4);
      }
    } else {
      for (const std::byte byte : result.bytes()) digest_.add(static_cast<uint64_t>(byte), 1);
    }
  }

  void OnTestEnd(const testing::TestInfo& test) override {
    if (any_) compare(std::string(test.test_suite_name()) + "." + test.name());
    digest_ = {};
    any_ = false;
  }

 private:
  void compare(const std::string& name) const {
    std::map<std::string, std::string> lines = read_lines();
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
      lines[name] = digest_.text();
      std::ofstream file(kFile);
      for (const auto& [test, digest] : lines) file << test << " " << digest << "\n";
      return;
    }
    EXPECT_EQ(lines[name], digest_.text()) << "results of " << name << " are not those that " << kFile << " has";
  }

  Digest digest_;
  bool any_ = false;
};

}  // namespace

void add_to_digest(const ir::Tensor& result) {
  static Digests* digests = [] {
    auto* listener = new Digests;  // GoogleTest owns it
    testing::UnitTest::GetInstance()->listeners().Append(listener);
    return listener;
  }();
  digests->add(result);
}

}  // namespace edgesmith::runtime

// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/data/arrays.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "data/bytes.h"
#include "data/data_helper.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/zip.h"

namespace edgesmith::data {
namespace {

std::string npy(const std::string& dict, const std::string& elements, char version = 1) {
  std::string text = "\x93NUMPY";
  text += version;
  text += '\0';
  text += static_cast<char>(dict.size());
  text += '\0';
  if (version > 1) text += std::string(2, '\0');
  return text + dict + elements;
}

Result<ir::Tensor> parse(const std::string& content) {
  const auto kept = std::make_shared<const std::string>(content);  // the tensor shares its bytes
  return parse_npy({std::as_bytes(std::span(*kept)), kept}, "x.npy");
}

std::string le32(std::initializer_list<uint32_t> values) {
  std::string out;
  for (const uint32_t value : values) {
    for (int i = 0; i < 4; ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
  }
  return out;
}

TEST(Npy, ReadsWhatNumpyWrites) {
  auto tensor =
      parse(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }   \n", le32({1, 2, 3, 4, 5, 6})));
  ASSERT_GOOD(tensor);
  EXPECT_EQ(tensor->type().text(), "i32[2,3]");
  EXPECT_EQ(tensor->to_int64s(), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
}

TEST(Npy, ReadsScalarsVectorsAndLaterVersions) {
  auto scalar = parse(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", "\x07", 2));
  ASSERT_GOOD(scalar);
  EXPECT_EQ(scalar->type().text(), "u8[]");
  auto vector = parse(npy("{'descr': '|b1', 'fortran_order': True, 'shape': (2,), }", std::string("\1\0", 2), 3));
  ASSERT_GOOD(vector);
  EXPECT_EQ(vector->to_int64s(), (std::vector<int64_t>{1, 0}));
}

TEST(Npy, TurnsBigEndianNumbers) {
  auto tensor = parse(npy("{'descr': '>u2', 'fortran_order': False, 'shape': (2,), }", std::string("\1\2\0\5", 4)));
  ASSERT_GOOD(tensor);
  EXPECT_EQ(tensor->to_int64s(), (std::vector<int64_t>{258, 5}));
}

TEST(Npy, RefusesWhatItCannotRead) {
  const std::pair<std::string, const char*> cases[] = {
      {"no array", "not a NumPy array"},
      {npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "12345678"), "pickled Python objects"},
      {npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "12345678"), "dtype <c8 is not numeric"},
      {npy("{'descr': '<U3', 'fortran_order': False, 'shape': (1,), }", "123456789012"), "dtype <U3 is not numeric"},
      {npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234"), "not numeric"},
      {npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", "1234567"), "needs 8 bytes, the file has 7"},
      {npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", std::string(16, 'x')), "Fortran order"},
      {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", "1234"), "more bytes"},
      {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "1234"), "cannot read the npy header"},
      {npy("{'fortran_order': False, 'shape': (1,), }", "1234"), "cannot read the npy header"},
  };
  for (const auto& [content, message] : cases) {
    auto tensor = parse(content);
    ASSERT_FALSE(tensor.ok()) << message;
    EXPECT_EQ(tensor.error().kind, ErrorKind::invalid);
    EXPECT_NE(tensor.error().message.find(message), std::string::npos) << tensor.error().message;
  }
}

TEST(Npz, WritesWhatItReadsBack) {
  TempFolder folder;
  const std::vector<NamedArray> arrays = {
      {"logits", ir::Tensor::of<float>({2, 2}, std::vector<float>{1, -2, 3.5, 0})},
      {"x in/0:\xc3\xbc", ir::Tensor::of<int64_t>({3}, std::vector<int64_t>{1, 2, -3})},
      {"empty", ir::Tensor::zeros(ir::DType::u8, {0, 4})},
  };
  ASSERT_GOOD(write_npz(folder / "a.npz", arrays));
  auto back = read_npz(folder / "a.npz");
  ASSERT_GOOD(back);
  ASSERT_EQ(back->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*back)[i].name, arrays[i].name);
    EXPECT_TRUE((*back)[i].tensor.identical_to(arrays[i].tensor));
  }
}

TEST(Npz, WritesBfloat16AsFloat32) {
  TempFolder folder;
  ir::Tensor bf16 = ir::Tensor::zeros(ir::DType::bf16, {1});
  const uint16_t bits = ir::float_to_bfloat16(1.5f);
  std::memcpy(bf16.mutable_bytes().data(), &bits, 2);
  ASSERT_GOOD(write_npz(folder / "a.npz", std::vector<NamedArray>{{"x", bf16}}));
  auto back = read_npz(folder / "a.npz");
  ASSERT_GOOD(back);
  EXPECT_EQ((*back)[0].tensor.dtype(), ir::DType::f32);
  EXPECT_EQ((*back)[0].tensor.to_floats(), std::vector<float>{1.5f});
}

TEST(Npz, InflatesWhatNumpyCompressed) {
  // expected.npz was written by numpy.savez_compressed; image_test.cc looks at its contents.
  auto arrays = read_npz(fixture("expected.npz"));
  ASSERT_GOOD(arrays);
  EXPECT_EQ(arrays->front().name, "rgb_420.jpg");
  EXPECT_EQ(arrays->front().tensor.type().text(), "u8[18,20,3]");
}

// A stored zip64 entry as Python's zipfile writes it with force_zip64: 0xffffffff in the fields, numbers in the extra.
TEST(Zip, ReadsSizesFromZip64Fields) {
  const auto le = [](uint64_t value, int width) {
    std::string out;
    for (int i = 0; i < width; ++i) out += static_cast<char>((value >> (8 * i)) & 0xff);
    return out;
  };
  const std::string body = "hello", name = "a.npy";
  const std::string all = le(0xffffffff, 4);
  const std::string crc = le(crc32_of(std::as_bytes(std::span(body))), 4);
  const std::string fixed = le(45, 2) + le(0, 2) + le(0, 2) + le(0, 4) + crc + all + all + le(name.size(), 2);
  std::string zip = le(0x04034b50, 4) + fixed + le(20, 2) + name + le(1, 2) + le(16, 2) + le(5, 8) + le(5, 8) + body;
  const size_t directory = zip.size();
  zip += le(0x02014b50, 4) + le(45, 2) + fixed + le(28, 2) + le(0, 8) + le(0, 2) + all + name + le(1, 2) + le(24, 2) +
         le(5, 8) + le(5, 8) + le(0, 8);
  const size_t end64 = zip.size();
  zip += le(0x06064b50, 4) + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(1, 8) + le(1, 8) +
         le(end64 - directory, 8) + le(directory, 8);
  zip += le(0x07064b50, 4) + le(0, 4) + le(end64, 8) + le(1, 4);
  zip += le(0x06054b50, 4) + le(0, 4) + le(0xffff, 2) + le(0xffff, 2) + all + all + le(0, 2);
  const Bytes bytes{std::as_bytes(std::span(zip)), nullptr};
  auto entries = zip_entries(bytes, "a.npz");
  ASSERT_GOOD(entries);
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ((*entries)[0].size, 5u);
  auto content = zip_read(bytes, (*entries)[0], "a.npz");
  ASSERT_GOOD(content);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(content->span.data()), 5), "hello");
}

TEST(Npz, NeverCrashesOnDamage) {
  TempFolder folder;
  const std::string whole = slurp(fixture("expected.npz"));
  // The end and the directory byte by byte, and cuts everywhere.
  for (size_t at = whole.size() - 300; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(~damaged[at]);
    (void)read_npz(folder.write("bad.npz", damaged));
  }
  for (size_t keep = 0; keep < whole.size(); keep += 997) {
    auto arrays = read_npz(folder.write("cut.npz", whole.substr(0, keep)));
    ASSERT_FALSE(arrays.ok()) << keep;
    EXPECT_EQ(arrays.error().kind, ErrorKind::invalid);
  }
}

TEST(Npz, NoticesWrongBytesInDeflatedArrays) {
  TempFolder folder;
  std::string damaged = slurp(fixture("expected.npz"));
  damaged[200] = static_cast<char>(~damaged[200]);  // inside the first array
  auto arrays = read_npz(folder.write("bad.npz", damaged));
  ASSERT_FALSE(arrays.ok());
  EXPECT_NE(arrays.error().message.find("rgb_420.jpg.npy"), std::string::npos) << arrays.error().message;
}

TEST(Npz, NoticesWrongBytesInStoredArrays) {
  TempFolder folder;
  const ir::Tensor numbers = ir::Tensor::of<float>({2}, std::vector<float>{1, 2});
  ASSERT_GOOD(write_npz(folder / "a.npz", std::vector<NamedArray>{{"x", numbers}}));
  std::string damaged = slurp(folder / "a.npz");
  const std::string two("\0\0\0\x40", 4);
  ASSERT_NE(damaged.find(two), std::string::npos);
  damaged[damaged.find(two)] = 1;
  const auto arrays = read_npz(folder.write("bad.npz", damaged));
  ASSERT_FALSE(arrays.ok());
  EXPECT_EQ(arrays.error().kind, ErrorKind::invalid);
  EXPECT_EQ(arrays.error().message, folder / "bad.npz" + ": x.npy: corrupt zip entry");
}

TEST(Idx, ReadsBigEndianDimsAndElements) {
  const std::string bytes("\0\0\x0B\2\0\0\0\1\0\0\0\2\1\0\0\2", 16);
  auto tensor = parse_idx({std::as_bytes(std::span(bytes)), nullptr}, "a");
  ASSERT_GOOD(tensor);
  EXPECT_EQ(tensor->type().text(), "i16[1,2]");
  EXPECT_EQ(tensor->to_int64s(), (std::vector<int64_t>{256, 2}));
  auto cut = parse_idx({std::as_bytes(std::span(bytes)).first(15), nullptr}, "a");
  ASSERT_FALSE(cut.ok());
  EXPECT_NE(cut.error().message.find("more than the file holds"), std::string::npos);
}

}  // namespace
}  // namespace edgesmith::data

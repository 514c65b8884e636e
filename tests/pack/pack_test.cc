// SPDX-License-Identifier: Apache-2.0
// What is packed comes back bit for bit, whatever it is; what is damaged is refused.
#include "edgesmith/pack/pack.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "edgesmith/base/file.h"
#include "edgesmith/base/random.h"
#include "onnx/wire.h"
#include "pack/c/esm_weights.h"
#include "pack/container.h"
#include "pack/find_tensors.h"
#include "pack/mix_four.h"
#include "support/zoo.h"

namespace edgesmith::pack {
namespace {

using onnx::wire::Writer;

std::span<const std::byte> as_span(const std::string& text) { return std::as_bytes(std::span<const char>(text)); }

/// A TensorProto with raw_data, or with the payload in field `field`.
Writer tensor(const std::string& name, int type, const std::vector<int>& dims, const std::string& payload,
              uint32_t field = 9) {
  Writer out;
  for (const int dim : dims) out.varint(1, static_cast<uint64_t>(dim));
  out.varint(2, static_cast<uint64_t>(type));
  if (field != 9) out.text(field, payload);
  out.text(8, name);
  if (field == 9) out.text(9, payload);
  return out;
}

/// A ModelProto with these initializers and one node.
std::string model(std::vector<Writer> tensors, Writer node = {}) {
  Writer graph, out;
  node.text(4, "Relu");
  graph.message(1, std::move(node));
  for (Writer& one : tensors) graph.message(5, std::move(one));
  out.varint(1, 8);
  out.message(7, std::move(graph));
  return out.str();
}

std::string random_bytes(Random& random, size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(random.next() & 255));
  return bytes;
}

std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

/// Packs, unpacks with another number of threads, and compares; returns the packed bytes.
std::string round_trip(const std::vector<ModelFile>& files) {
  ThreadPool one(1), three(3);
  const auto packed = pack(files, one);
  EXPECT_TRUE(packed.ok()) << packed.error().text();
  if (!packed) return "";
  EXPECT_EQ(packed->bytes, pack(files, three)->bytes) << "threads change the bytes";
  const auto unpacked = unpack(as_span(packed->bytes), three);
  EXPECT_TRUE(unpacked.ok()) << unpacked.error().text();
  if (!unpacked) return "";
  EXPECT_EQ(unpacked->files.size(), files.size());
  for (size_t i = 0; i < std::min(files.size(), unpacked->files.size()); ++i) {
    EXPECT_EQ(unpacked->files[i].name, files[i].name);
    EXPECT_TRUE(unpacked->files[i].bytes == files[i].bytes) << "file " << i;
  }
  return packed->bytes;
}

/// Every tensor as the C decoder gives it must be that of the model.
void expect_c_agrees(const std::vector<ModelFile>& files, const std::string& packed) {
  const auto found = find_tensors(files);
  ASSERT_TRUE(found.ok());
  const auto reader = std::make_unique<esm_reader>();
  ASSERT_EQ(esm_open(reader.get(), reinterpret_cast<const uint8_t*>(packed.data()), packed.size()), 1);
  esm_tensor seen;
  size_t count = 0;
  int more = 0;
  while ((more = esm_next(reader.get(), &seen)) > 0) {
    ASSERT_LT(count, found->size());
    const PackedTensor& wanted = (*found)[count].tensor;
    EXPECT_EQ(seen.name, wanted.name);
    EXPECT_EQ(seen.type, wanted.type);
    ASSERT_EQ(seen.bytes, wanted.bytes.size()) << wanted.name;
    ASSERT_EQ(seen.rank, wanted.dims.size());
    for (size_t i = 0; i < wanted.dims.size(); ++i) EXPECT_EQ(seen.dims[i], wanted.dims[i]);
    std::string bytes(seen.bytes, '\0');
    if (seen.count > 0) {
      EXPECT_EQ(esm_decode(reader.get(), &seen, bytes.data(), bytes.size() - 1), ESM_TOO_SMALL);
    }
    ASSERT_EQ(esm_decode(reader.get(), &seen, bytes.data(), bytes.size()), 1) << wanted.name;
    if (seen.same_as >= 0) bytes = (*found)[static_cast<size_t>(seen.same_as)].tensor.bytes;
    EXPECT_TRUE(bytes == wanted.bytes) << wanted.name;
    ++count;
  }
  EXPECT_EQ(more, 0);
  EXPECT_EQ(count, found->size());
}

/// One tensor of every type and of every kind of content.
std::vector<ModelFile> varied_model() {
  Random random(7);
  std::vector<Writer> tensors;
  const std::pair<int, size_t> types[] = {{1, 4},  {2, 1},   {3, 1},  {4, 2},  {5, 2},  {6, 4},
                                          {7, 8},  {9, 1},   {10, 2}, {11, 8}, {12, 4}, {13, 8},
                                          {14, 8}, {15, 16}, {16, 2}, {17, 1}, {20, 1}};
  for (const auto& [type, width] : types) {
    tensors.push_back(tensor("random" + std::to_string(type), type, {3, 5, 7}, random_bytes(random, 105 * width)));
    tensors.push_back(tensor("zero" + std::to_string(type), type, {4, 9}, std::string(36 * width, '\0')));
  }
  for (const int type : {21, 22}) tensors.push_back(tensor("nibbles", type, {3, 5}, random_bytes(random, 8)));
  // The padding of an odd number of 4-bit elements begins a kernel that reads the rows before.
  for (const std::vector<int>& dims : {std::vector<int>{1, 1, 3, 3},
                                       {1, 3, 3, 3},
                                       {1, 5, 1, 3},
                                       {1, 7, 5, 5},
                                       {3, 3, 3, 3},
                                       {5, 1, 3, 3},
                                       {2, 2, 3, 63},
                                       {2, 1, 3, 100}}) {
    size_t count = 1;
    for (const int dim : dims) count *= static_cast<size_t>(dim);
    tensors.push_back(tensor("odd", 22, dims, random_bytes(random, (count + 1) / 2)));
  }
  // More columns than the means of channels have places for, and long lines.
  tensors.push_back(tensor("wide", 3, {3, 5000}, random_bytes(random, 15000)));
  tensors.push_back(tensor("long", 2, {4, 3, 2, 130}, random_bytes(random, 3120)));
  tensors.push_back(tensor("flat", 3, {4, 6, 9}, random_bytes(random, 216)));
  std::vector<float> sparse, shared, half;
  for (int i = 0; i < 720; ++i) {
    const auto value = static_cast<float>(random.normal());
    sparse.push_back(i % 3 == 0 ? value : 0.0f);
    shared.push_back(static_cast<float>(static_cast<int>(value * 3)) * 0.125f);
    half.push_back(static_cast<float>(static_cast<int>(value * 1000)) / 1024);
  }
  tensors.push_back(tensor("sparse", 1, {8, 10, 3, 3}, floats(sparse)));
  tensors.push_back(tensor("shared", 1, {8, 10, 3, 3}, floats(shared)));
  tensors.push_back(tensor("half", 1, {8, 10, 3, 3}, floats(half)));
  tensors.push_back(tensor("again", 1, {8, 10, 3, 3}, floats(half)));
  tensors.push_back(tensor("special", 1, {6}, floats({0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e-44f})));
  tensors.push_back(tensor("typed", 1, {3}, floats({1, 2, 3}), 4));
  tensors.push_back(
      tensor("varints", 3, {4}, std::string("\x01\x02\x7f", 3) + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 5));
  tensors.push_back(tensor("overlong", 3, {1}, std::string("\x81\x00", 2), 5));
  tensors.push_back(tensor("short", 1, {5}, "123"));
  tensors.push_back(tensor("none", 1, {0, 3}, ""));
  tensors.push_back(tensor("scalar", 7, {}, "12345678"));
  tensors.push_back(tensor(std::string(300, 'n'), 1, {1}, "abcd"));
  return {{"", model(std::move(tensors))}};
}

TEST(Pack, EveryTypeComesBackAndTheCDecoderAgrees) {
  const auto files = varied_model();
  expect_c_agrees(files, round_trip(files));
}

TEST(Pack, TensorsOfNodesAndOddFieldsComeBack) {
  Writer attribute, node;
  attribute.text(1, "value");
  attribute.message(5, tensor("", 1, {2}, "abcdefgh"));
  node.message(5, std::move(attribute));
  std::string bytes = model({tensor("w", 1, {2}, "abcdefgh")}, std::move(node));
  bytes += std::string("\xfa\x3e\x03xyz\x80\x3f\x81\x80\x00", 11);  // fields 1007 and 1008, the second number overlong
  round_trip({{"", bytes}});
}

TEST(Pack, ExternalDataComeBackUnderTheirNames) {
  Random random(3);
  Writer location, offset, one, graph, out;
  location.text(1, "location"), location.text(2, "sub/w.bin");
  offset.text(1, "offset"), offset.text(2, "5");
  one.varint(1, 64), one.varint(2, 1), one.text(8, "w");
  one.message(13, std::move(location));
  one.message(13, std::move(offset));
  one.varint(14, 1);
  round_trip({{"", model({std::move(one)})}, {"sub/w.bin", random_bytes(random, 5 + 256 + 9)}});
}

TEST(Pack, SeveralChunksComeBack) {
  Random random(5);
  std::vector<Writer> tensors;
  for (int i = 0; i < 3; ++i) {
    std::vector<float> weights;
    for (size_t k = 0; k < 70000; ++k) weights.push_back(static_cast<float>(random.normal()));
    tensors.push_back(tensor("w" + std::to_string(i), 1, {70, 1000}, floats(weights)));
  }
  const std::vector<ModelFile> files = {{"", model(std::move(tensors))}};
  const std::string packed = round_trip(files);
  EXPECT_GT(read_container(as_span(packed))->chunks.size(), 1u);
  expect_c_agrees(files, packed);
}

TEST(Pack, EstimatesWhatItWouldTake) {
  Random random(11);
  ThreadPool pool(2);
  const auto near = [&](const std::vector<ModelFile>& files, double within) {
    const auto packed = pack(files, pool);
    const auto estimate = estimate_packed_bytes(files, pool);
    ASSERT_TRUE(packed.ok() && estimate.ok());
    const auto real = static_cast<double>(packed->bytes.size());
    EXPECT_NEAR(static_cast<double>(*estimate), real, within * real);
  };
  near(varied_model(), 0.01);
  // More chunks than are looked at, and tensors that are larger than one.
  std::vector<Writer> tensors;
  for (int t = 0; t < 24; ++t) {
    const int rows = t % 6 == 0 ? 900 : 100;
    std::vector<float> numbers;
    for (int i = 0; i < rows * 600; ++i) numbers.push_back(static_cast<float>(random.normal()));
    tensors.push_back(tensor("w" + std::to_string(t), 1, {rows, 600}, floats(numbers)));
  }
  near({{"", model(tensors)}}, 0.02);
  EXPECT_FALSE(estimate_packed_bytes(std::vector<ModelFile>{{"", "nonsense"}}, pool).ok());
}

/// Packed on one machine, unpacked on another: both forms of the arithmetic must agree, at the limits of weights, too.
TEST(Pack, VectorsMixLikeNumbers) {
#if defined(__SSE2__)
  Random random(17);
  int kept = 0;
  for (int round = 0; round < 20000; ++round) {
    uint32_t states[4];
    FourWeights plain_weights;
    for (int i = 0; i < 4; ++i) {
      states[i] = static_cast<uint32_t>(random.next()) << 10 | static_cast<uint32_t>(random.next() % 256);
      if (round % 3 == 0) states[i] = (round % 2 == 0 ? 0xfffffc00u : 0) | (states[i] & 255);
      const auto weight = static_cast<int32_t>(random.next() % (2 * kMostWeight + 1)) - kMostWeight;
      plain_weights.of[i] = round % 5 == 0 ? (weight < 0 ? -kMostWeight : kMostWeight) : weight;
    }
    if (round % 7 == 0) plain_weights.constant = kMostWeight;
    FourWeights vector_weights = plain_weights;
    const PlainFour plain(states, plain_weights);
    const VectorFour vector(states, vector_weights);
    ASSERT_EQ(plain.p(), vector.p());
    const int bit = static_cast<int>(random.next() & 1);
    plain.learn(plain_weights, bit);
    vector.learn(vector_weights, bit);
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ(plain_weights.of[i], vector_weights.of[i]);
      kept += std::abs(plain_weights.of[i]) == kMostWeight ? 1 : 0;
    }
    ASSERT_EQ(plain_weights.constant, vector_weights.constant);
  }
  EXPECT_GT(kept, 1000);
#else
  GTEST_SKIP() << "SKIPPED: there is one form on this machine";
#endif
}

TEST(Pack, SparseAndSharedWeightsShrink) {
  Random random(11);
  std::vector<float> sparse, shared;
  for (int i = 0; i < 40000; ++i) {
    sparse.push_back(random.uniform() < 0.1 ? static_cast<float>(random.normal()) : 0.0f);
    shared.push_back(0.3f * static_cast<float>(static_cast<int>(random.uniform() * 16)));
  }
  // 0.47 bits for the place and 27 for the value of every tenth; 4 bits.
  EXPECT_LT(round_trip({{"", model({tensor("w", 1, {200, 200}, floats(sparse))})}}).size(), 40000 * 3.4 / 8);
  EXPECT_LT(round_trip({{"", model({tensor("w", 1, {200, 200}, floats(shared))})}}).size(), 40000 * 4.1 / 8);
}

TEST(Pack, RefusesWhatIsNoModel) {
  ThreadPool pool(1);
  const std::vector<ModelFile> text = {{"", "just some words\n"}}, nothing = {{"", ""}};
  EXPECT_EQ(pack(text, pool).error().kind, ErrorKind::invalid);
  EXPECT_EQ(pack(nothing, pool).error().kind, ErrorKind::invalid);
  const std::string whole = varied_model()[0].bytes;
  const std::vector<ModelFile> cut = {{"", whole.substr(0, whole.size() / 2)}};
  EXPECT_EQ(pack(cut, pool).error().kind, ErrorKind::invalid);
}

/// Writes a checksum that fits, so that the damage reaches the decoders.
std::string with_checksum(std::string packed) {
  if (packed.size() < 4) return packed;
  packed.resize(packed.size() - 4);
  const uint32_t crc = crc32(as_span(packed));
  for (int i = 0; i < 4; ++i) packed.push_back(static_cast<char>(crc >> (8 * i) & 255));
  return packed;
}

TEST(Pack, DamagedFilesAreRefusedAndNeverCrash) {
  ThreadPool pool(1);
  Random random(13);
  std::vector<Writer> tensors;
  tensors.push_back(tensor("w", 3, {4, 4, 3, 3}, random_bytes(random, 144)));
  tensors.push_back(tensor("shared", 1, {8, 6}, floats(std::vector<float>(48, 0.5f))));
  tensors.push_back(tensor("f", 1, {5, 5}, random_bytes(random, 100)));
  tensors.push_back(tensor("copy", 1, {5, 5}, floats(std::vector<float>(25, 0.25f))));
  tensors.push_back(tensor("nibbles", 22, {9}, random_bytes(random, 5)));
  const std::string good = pack(std::vector<ModelFile>{{"", model(std::move(tensors))}}, pool)->bytes;
  const auto reader = std::make_unique<esm_reader>();
  int refused = 0, tried = 0;
  const auto attempt = [&](const std::string& bytes) {
    const auto result = unpack(as_span(bytes), pool);
    ++tried;
    if (!result.ok()) {
      EXPECT_EQ(result.error().kind, ErrorKind::invalid) << result.error().text();
      ++refused;
    }
  };
  for (size_t size = 0; size < good.size(); ++size) {
    attempt(good.substr(0, size));
    attempt(with_checksum(good.substr(0, size)));
  }
  for (int i = 0; i < 1500; ++i) {
    std::string bad = good;
    const auto flips = 1 + random.next() % 3;
    for (uint64_t k = 0; k < flips; ++k) {
      bad[random.next() % bad.size()] ^= static_cast<char>(1 + random.next() % 255);
    }
    if (bad == good) continue;
    if (i % 4 == 0) attempt(bad);
    if (i % 4 == 1) bad.insert(random.next() % bad.size(), random_bytes(random, 1 + random.next() % 9));
    attempt(with_checksum(bad));
  }
  EXPECT_GT(tried, 1500);
  // A flip in the padding of the last byte of plain bits may go unnoticed: the content is the same.
  EXPECT_GT(refused, tried - 20);
}

TEST(Pack, TheCDecoderStaysWithinTheFile) {
  ThreadPool pool(1);
  const std::string good = pack(varied_model(), pool)->bytes, head = good.substr(0, 13);
  const auto reader = std::make_unique<esm_reader>();
  const auto open = [&](const std::string& content) {
    const std::string file = with_checksum(content + "crc.");
    return esm_open(reader.get(), reinterpret_cast<const uint8_t*>(file.data()), file.size());
  };
  EXPECT_EQ(open(good.substr(0, good.size() - 4)), 1);
  EXPECT_EQ(open(head + std::string(40, '\xff')), ESM_DAMAGED) << "numbers without an end";
  EXPECT_EQ(open(head + std::string(5, '\1')), ESM_DAMAGED) << "too short for what it promises";
  // One chunk of one tensor and a mebibyte, in a file of fifty bytes.
  EXPECT_EQ(open(head + "\1\1\x80\x80\x40" + std::string(30, '\0')), ESM_DAMAGED);
}

TEST(Pack, ZooModelsComeBackAndTheCDecoderAgrees) {
  const auto models = edgesmith::testing::zoo_models();
  if (models.empty()) GTEST_SKIP() << "SKIPPED: no model zoo at " << edgesmith::testing::zoo_folder();
  for (const std::string& path : models) {
    SCOPED_TRACE(path);
    const auto files = read_model(path);
    ASSERT_TRUE(files.ok()) << files.error().text();
    if ((*files)[0].bytes.size() > 2000000) continue;  // the large ones: tests/oracle/pack.py
    expect_c_agrees(*files, round_trip(*files));
  }
}

}  // namespace
}  // namespace edgesmith::pack

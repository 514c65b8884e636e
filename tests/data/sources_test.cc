// SPDX-License-Identifier: Apache-2.0
// The forms of data, and what each says when it is wrong.
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>

#include "data/data_helper.h"
#include "data/sources/file_source.h"
#include "edgesmith/base/log.h"
#include "edgesmith/data/class_names.h"

namespace edgesmith::data {
namespace {

const std::vector<int64_t> kPicture = {-1, 3, 18, 20};

std::string be32(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
  return out;
}

std::string gzip(const std::string& content, const std::string& path) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
  return path;
}

ir::Tensor u8(ir::Dims dims, std::vector<uint8_t> values) { return ir::Tensor::of<uint8_t>(std::move(dims), values); }
ir::Tensor f32(ir::Dims dims, std::vector<float> values) { return ir::Tensor::of<float>(std::move(dims), values); }
ir::Tensor i64(ir::Dims dims, std::vector<int64_t> values) { return ir::Tensor::of<int64_t>(std::move(dims), values); }

Error open_error(const DataSpec& spec, const ir::Graph& graph) {
  auto dataset = open_dataset(spec, graph);
  EXPECT_FALSE(dataset.ok());
  return dataset.ok() ? Error() : dataset.error();
}

// One declared preprocessing that changes nothing, so that nothing is warned about.
DataSpec as_it_is(const std::string& path, const std::string& labels = {}) {
  DataSpec spec = spec_with(path, Preprocess());
  spec.labels = labels;
  return spec;
}

TEST(ClassFolders, TakeTheRankOfTheSortedName) {
  TempFolder folder;
  folder.write("d/dog/1.jpg", slurp(fixture("420.jpg")));
  folder.write("d/cat/2.png", slurp(fixture("rgb.png")));
  folder.write("d/cat/1.JPG", slurp(fixture("444.jpg")));
  folder.write("d/cat/notes.txt", "not a picture");
  folder.write("d/.hidden/1.jpg", "junk");
  auto dataset = open_dataset(as_it_is(folder / "d"), image_model(kPicture));
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->size(), 3);
  EXPECT_TRUE((*dataset)->has_labels());
  EXPECT_EQ((*dataset)->sample_name(0), folder / "d/cat/1.JPG");
  const std::vector<int64_t> want = {0, 0, 1};
  for (int64_t i = 0; i < 3; ++i) {
    auto sample = (*dataset)->sample(i);
    ASSERT_GOOD(sample);
    EXPECT_EQ(sample->label, want[static_cast<size_t>(i)]);
    EXPECT_EQ(sample->inputs[0].type().text(), "f32[1,3,18,20]");
  }
}

// Byte by byte, the shorter first; links count as what they point to.
TEST(FolderListing, IsSortedByTheBytesOfNames) {
  TempFolder folder;
  const std::vector<std::string> sorted = {"A.png",          "a.jpg",          "a.png",         "picture-1.npy",
                                           "picture-10.npy", "picture-10.png", "picture-2.npy", "\xc3\xa4.jpg"};
  for (const std::string& name :
       {sorted[4], sorted[7], sorted[2], sorted[6], sorted[0], sorted[3], sorted[5], sorted[1]}) {
    folder.write("d/" + name, "");
  }
  folder.write("d/b/1.jpg", "");
  folder.write("d/one.gif", "");
  std::filesystem::create_directory_symlink(folder / "d/b", folder / "d/a");
  std::filesystem::create_symlink(folder / "nothing", folder / "d/z");
  const auto listing = list_folder(folder / "d");
  ASSERT_GOOD(listing);
  EXPECT_EQ(listing->samples, sorted);
  EXPECT_EQ(listing->folders, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(listing->foreign_images, 1);
  const auto missing = list_folder(folder / "missing");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().message, (folder / "missing") + ": cannot list the folder: No such file or directory");
}

TEST(ClassFolders, TakeTheNameAsANumberWhenTold) {
  TempFolder folder;
  folder.write("d/0002/1.jpg", slurp(fixture("420.jpg")));
  folder.write("d/0006/1.jpg", slurp(fixture("420.jpg")));
  log::take_warnings();
  auto ranks = open_dataset(as_it_is(folder / "d"), image_model(kPicture));
  ASSERT_GOOD(ranks);
  EXPECT_EQ((*ranks)->sample(1)->label, 1);
  EXPECT_NE(joined_warnings().find("folder-numbers"), std::string::npos);
  auto numbers = open_dataset(as_it_is(folder / "d", "folder-numbers"), image_model(kPicture));
  ASSERT_GOOD(numbers);
  EXPECT_EQ((*numbers)->sample(0)->label, 2);
  EXPECT_EQ((*numbers)->sample(1)->label, 6);
  EXPECT_EQ(joined_warnings(), "");
  auto none = open_dataset(as_it_is(folder / "d", "none"), image_model(kPicture));
  ASSERT_GOOD(none);
  EXPECT_FALSE((*none)->has_labels());
  folder.write("d/x/1.jpg", slurp(fixture("420.jpg")));
  EXPECT_EQ(open_error(as_it_is(folder / "d", "folder-numbers"), image_model(kPicture)).kind, ErrorKind::invalid);
}

TEST(ClassFolders, PointBelowWhenTheFolderIsTooHigh) {
  TempFolder folder;
  folder.write("d/test/cat/1.jpg", slurp(fixture("420.jpg")));
  const Error error = open_error(as_it_is(folder / "d"), image_model(kPicture));
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_EQ(error.hint, "did you mean '" + folder / "d/test" + "'?");
}

TEST(FlatFolder, HasNoLabelsUnlessAFileGivesThem) {
  TempFolder folder;
  folder.write("d/b.png", slurp(fixture("rgb.png")));
  folder.write("d/a.jpg", slurp(fixture("420.jpg")));
  auto dataset = open_dataset(as_it_is(folder / "d"), image_model(kPicture));
  ASSERT_GOOD(dataset);
  EXPECT_FALSE((*dataset)->has_labels());
  EXPECT_EQ((*dataset)->sample_name(1), folder / "d/b.png");
  const std::string labels = folder.write("labels.txt", "4\n9\n");
  auto labelled = open_dataset(as_it_is(folder / "d", labels), image_model(kPicture));
  ASSERT_GOOD(labelled);
  EXPECT_EQ((*labelled)->sample(1)->label, 9);
  const std::string three = folder.write("three.txt", "4\n9\n1\n");
  EXPECT_EQ(open_error(as_it_is(folder / "d", three), image_model(kPicture)).message,
            three + ": 3 labels for 2 samples");
}

TEST(ClassFolders, NameThoseWithoutPictures) {
  TempFolder folder;
  folder.write("d/a/1.jpg", slurp(fixture("420.jpg")));
  folder.write("d/__MACOSX/notes", "");
  folder.write("d/b/1.jpg", slurp(fixture("420.jpg")));
  (void)log::take_warnings();
  ASSERT_GOOD(open_dataset(as_it_is(folder / "d"), image_model(kPicture)));
  const std::vector<std::string> warnings = log::take_warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0], folder / "d" + ": 1 folder holds no pictures and is a class all the same: __MACOSX");
  ASSERT_GOOD(open_dataset(as_it_is(folder / "d", "none"), image_model(kPicture)));
  EXPECT_EQ(joined_warnings(), folder / "d" + ": 1 folder holds no pictures: __MACOSX\n");
}

TEST(ClassFolders, NameFoldersInThemThatAreLeftOut) {
  TempFolder folder;
  for (const char* path : {"d/a/1.jpg", "d/a/more/2.jpg", "d/b/1.jpg", "d/b/more/2.jpg"}) {
    folder.write(path, slurp(fixture("420.jpg")));
  }
  (void)log::take_warnings();
  auto dataset = open_dataset(as_it_is(folder / "d"), image_model(kPicture));
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->size(), 2);
  const std::vector<std::string> warnings = log::take_warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0], folder / "d" + ": 2 folders inside class folders are left out: a/more, b/more");
}

TEST(FlatFolder, NamesThePictureThatLeavesFoldersOut) {
  TempFolder folder;
  for (const char* path : {"d/stray.png", "d/a/1.jpg", "d/b/1.jpg"}) folder.write(path, slurp(fixture("420.jpg")));
  folder.write("d/notes/read.me", "");
  (void)log::take_warnings();
  auto flat = open_dataset(as_it_is(folder / "d"), image_model(kPicture));
  ASSERT_GOOD(flat);
  EXPECT_EQ((*flat)->size(), 1);
  EXPECT_EQ(joined_warnings(), folder / "d" +
                                   ": 2 folders of pictures are left out beside stray.png; where the folders are the "
                                   "classes, say labels = \"folders\" (--labels folders)\n");
  auto classes = open_dataset(as_it_is(folder / "d", "folders"), image_model(kPicture));
  ASSERT_GOOD(classes);
  EXPECT_EQ((*classes)->size(), 2);
  EXPECT_EQ(folder_class_names(spec_of(folder / "d", "folders")), (std::vector<std::string>{"a", "b", "notes"}));
  EXPECT_TRUE(folder_class_names(spec_of(folder / "d")).empty());
}

// Ranks are the labels: one folder fewer shifts those behind it.
TEST(ClassFolders, AreHeldAgainstTheClassesOfTheModel) {
  TempFolder folder;
  for (const char* path : {"d/0/1.jpg", "d/2/1.jpg"}) folder.write(path, slurp(fixture("420.jpg")));
  const auto warnings = [&](const std::string& labels, int64_t classes) {
    (void)log::take_warnings();
    warn_about_missing_classes(spec_of(folder / "d", labels), image_model(kPicture, classes));
    return joined_warnings();
  };
  EXPECT_EQ(warnings("", 3), folder / "d" +
                                 ": has 2 folders, output 'scores' has 3 classes: a folder's label is its rank, so "
                                 "those behind a missing one are labelled as other classes\n");
  EXPECT_NE(warnings("folders", 3), "");
  EXPECT_EQ(warnings("folder-numbers", 3), "");
  EXPECT_EQ(warnings("", 2), "");
  EXPECT_EQ(warnings("", 1), "") << "one score says yes or no";
}

TEST(Picture, IsAFolderOfOne) {
  TempFolder folder;
  folder.write("d/one.jpg", slurp(fixture("420.jpg")));
  folder.write("d/two.jpg", slurp(fixture("420.jpg")));
  auto dataset = open_dataset(as_it_is(folder / "d/one.jpg"), image_model(kPicture));
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->size(), 1);
  EXPECT_FALSE((*dataset)->has_labels());
  EXPECT_EQ((*dataset)->sample_name(0), folder / "d/one.jpg");
  EXPECT_EQ((*(*dataset)->sample(0)).inputs[0].type().text(), "f32[1,3,18,20]");
}

TEST(Folder, SaysWhenItIsEmptyOrMissing) {
  TempFolder folder;
  const Error empty = open_error(spec_of(folder.path()), image_model(kPicture));
  EXPECT_EQ(empty.kind, ErrorKind::invalid);
  folder.write("only.webp", "x");
  EXPECT_NE(open_error(spec_of(folder.path()), image_model(kPicture)).message.find("1 pictures of other formats"),
            std::string::npos);
  const Error missing = open_error(spec_of(folder / "nowhere"), image_model(kPicture));
  EXPECT_EQ(missing.kind, ErrorKind::io);
  EXPECT_EQ(missing.hint, "check the path");
}

TEST(FileSamples, MayBeArraysOfDifferentLengths) {
  TempFolder folder;
  std::filesystem::create_directories(folder / "d");
  const auto graph =
      model({{"ids", {ir::DType::i64, ir::Shape{ir::Dim(std::string("N")), ir::Dim(std::string("T"))}}},
             {"mask", {ir::DType::f32, ir::Shape{ir::Dim(std::string("N")), ir::Dim(std::string("T"))}}}});
  ASSERT_GOOD(write_npz(folder / "d/0.npz",
                        std::vector<NamedArray>{{"ids", i64({3}, {1, 2, 3})}, {"mask", f32({3}, {1, 1, 0})}}));
  ASSERT_GOOD(write_npz(folder / "d/1.npz",
                        std::vector<NamedArray>{{"mask", f32({1, 2}, {1, 1})}, {"ids", i64({1, 2}, {5, 6})}}));
  auto dataset = open_dataset(spec_of(folder / "d"), graph);
  ASSERT_GOOD(dataset);
  auto first = (*dataset)->sample(0), second = (*dataset)->sample(1);
  ASSERT_GOOD(first);
  ASSERT_GOOD(second);
  EXPECT_EQ(first->inputs[0].type().text(), "i64[1,3]");
  EXPECT_EQ(second->inputs[0].to_int64s(), (std::vector<int64_t>{5, 6}));
  EXPECT_EQ(second->inputs[1].type().text(), "f32[1,2]");
  EXPECT_FALSE(can_stack(*first, *second, graph));
  auto stacked = stack_inputs(std::vector<Sample>{*first, *second}, graph);
  ASSERT_FALSE(stacked.ok());
  EXPECT_NE(stacked.error().message.find("i64[1,3] and i64[1,2]"), std::string::npos);
}

TEST(CsvList, ReadsPathsRelativeToItself) {
  TempFolder folder;
  folder.write("d/pictures/a, b.jpg", slurp(fixture("420.jpg")));
  folder.write("d/c.png", slurp(fixture("rgb.png")));
  const std::string list =
      folder.write("d/list.csv", "\xef\xbb\xbflabel,path\r\n7,\"pictures/a, b.jpg\"\r\n\r\n0,c.png\r\n");
  auto dataset = open_dataset(as_it_is(list), image_model(kPicture));
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->size(), 2);
  EXPECT_EQ((*dataset)->sample(0)->label, 7);
  EXPECT_EQ((*dataset)->sample(1)->label, 0);
  const std::string bare = folder.write("d/bare.csv", "path\nc.png\n");
  auto unlabelled = open_dataset(as_it_is(bare), image_model(kPicture));
  ASSERT_GOOD(unlabelled);
  EXPECT_FALSE((*unlabelled)->has_labels());
  const std::string headless = folder.write("d/headless.csv", "c.png,3\n\"pictures/a, b.jpg\",4\n");
  auto labelled = open_dataset(as_it_is(headless), image_model(kPicture));
  ASSERT_GOOD(labelled);
  ASSERT_EQ((*labelled)->size(), 2) << "the first line is a sample, too";
  EXPECT_EQ((*labelled)->sample(0)->label, 3);
  EXPECT_EQ((*labelled)->sample(1)->label, 4);
}

TEST(CsvList, NamesTheLineThatIsWrong) {
  TempFolder folder;
  folder.write("c.png", slurp(fixture("rgb.png")));
  const std::tuple<const char*, ErrorKind, const char*> cases[] = {
      {"gone.png,3\n", ErrorKind::invalid, ":1: no column 'path' in the header, but gone.png, 3"},
      {"c.png,3\nc.png,three\n", ErrorKind::invalid, ":2: label 'three' is not a class number"},
      {"path,label\nc.png,3\nd.png,1\n", ErrorKind::io, ":3: no such file: "},
      {"path,label\nc.png,three\n", ErrorKind::invalid, ":2: label 'three' is not a class number"},
      {"path,label\nc.png\n", ErrorKind::invalid, ":2: 1 fields, the header has 2"},
      {"path,label\n\"c.png,1\n", ErrorKind::invalid, ":2: a quoted field does not end"},
      {"path,label\n", ErrorKind::invalid, ": no samples"},
      {"", ErrorKind::invalid, ":1: no header"},
      {"path,label\nc.png,10\n", ErrorKind::invalid,
       "c.png: label 10 is not in 0 to 9, the classes of output 'scores'"},
      {"path,label\nc.png,-1\n", ErrorKind::invalid, "c.png: label -1 is not in 0 to 9"},
  };
  for (const auto& [content, kind, message] : cases) {
    const Error error = open_error(as_it_is(folder.write("list.csv", content)), image_model(kPicture));
    EXPECT_EQ(error.kind, kind) << error.message;
    EXPECT_NE(error.message.find(message), std::string::npos) << error.message;
  }
}

TEST(NpzSource, FindsArraysByNameAndLabelsY) {
  TempFolder folder;
  ASSERT_GOOD(write_npz(folder / "a.npz",
                        std::vector<NamedArray>{{"x", f32({2, 3}, {1, 2, 3, 4, 5, 6})}, {"y", i64({2, 1}, {4, 2})}}));
  const auto graph = model({{"features", type_with(ir::DType::f32, {-1, 3})}});
  auto dataset = open_dataset(spec_of(folder / "a.npz"), graph);
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->size(), 2);
  auto sample = (*dataset)->sample(1);
  ASSERT_GOOD(sample);
  EXPECT_EQ(sample->label, 2);
  EXPECT_EQ(sample->inputs[0].to_floats(), (std::vector<float>{4, 5, 6}));
  EXPECT_EQ((*dataset)->sample_name(1), folder / "a.npz" + "[1]");
}

TEST(NpzSource, SaysThatLabelsAreOneHot) {
  TempFolder folder;
  const auto warnings_of = [&](const ir::Tensor& y) {
    EXPECT_TRUE(
        write_npz(folder / "a.npz", std::vector<NamedArray>{{"x", f32({2, 3}, {1, 2, 3, 4, 5, 6})}, {"y", y}}).ok());
    (void)log::take_warnings();
    EXPECT_TRUE(open_dataset(spec_of(folder / "a.npz"), model({{"x", type_with(ir::DType::f32, {-1, 3})}})).ok());
    return log::take_warnings();
  };
  const auto one_hot = warnings_of(f32({2, 3}, {0, 1, 0, 1, 0, 0}));
  ASSERT_EQ(one_hot.size(), 1u);
  EXPECT_NE(one_hot[0].find("a.npz: array 'y' is one-hot and is taken for expected outputs; for classes, save "
                            "y.argmax(1)"),
            std::string::npos)
      << one_hot[0];
  EXPECT_TRUE(warnings_of(f32({2, 3}, {0, 1, 1, 1, 0, 0})).empty());
  EXPECT_TRUE(warnings_of(f32({2, 1}, {1, 1})).empty());
}

TEST(NpzSource, ListsTheInputsThatAreMissing) {
  TempFolder folder;
  ASSERT_GOOD(write_npz(folder / "a.npz", std::vector<NamedArray>{{"x", f32({2, 3}, {1, 2, 3, 4, 5, 6})},
                                                                  {"left", f32({2, 1}, {4, 2})}}));
  const auto graph = model({{"left", type_with(ir::DType::f32, {-1, 1})},
                            {"right", type_with(ir::DType::f32, {-1, 1})},
                            {"top", type_with(ir::DType::f32, {-1, 1})}});
  const Error error = open_error(spec_of(folder / "a.npz"), graph);
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_NE(error.message.find("no array for the model's inputs 'right', 'top'; it holds x, left"), std::string::npos);
}

TEST(NpzSource, HoldsTheNumbersOfSamplesAgainstEachOther) {
  TempFolder folder;
  const auto graph = model({{"a", type_with(ir::DType::f32, {-1, 1})}, {"b", type_with(ir::DType::f32, {-1, 1})}});
  ASSERT_GOOD(
      write_npz(folder / "a.npz", std::vector<NamedArray>{{"a", f32({2, 1}, {1, 2})}, {"b", f32({3, 1}, {4, 2, 1})}}));
  EXPECT_NE(open_error(spec_of(folder / "a.npz"), graph).message.find("2 samples for input 'a', 3 for 'b'"),
            std::string::npos);
  ASSERT_GOOD(write_npz(
      folder / "b.npz",
      std::vector<NamedArray>{{"a", f32({2, 1}, {1, 2})}, {"b", f32({2, 1}, {4, 2})}, {"y", i64({3}, {1, 1, 1})}}));
  EXPECT_NE(open_error(spec_of(folder / "b.npz"), graph).message.find("3 labels for 2 samples"), std::string::npos);
}

TEST(NpzSource, FeedsInputsWithoutABatchAxisWhole) {
  TempFolder folder;
  const auto graph = model({{"x", type_with(ir::DType::f32, {-1, 2})},
                            {"steps", type_with(ir::DType::i64, {})},
                            {"state", type_with(ir::DType::f32, {2, 2})}});
  ASSERT_GOOD(write_npz(folder / "a.npz", std::vector<NamedArray>{{"x", f32({3, 2}, {1, 2, 3, 4, 5, 6})},
                                                                  {"steps", i64({}, {7})},
                                                                  {"state", f32({2, 2}, {1, 2, 3, 4})}}));
  auto dataset = open_dataset(spec_of(folder / "a.npz"), graph);
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->size(), 3);
  std::vector<Sample> samples = {*(*dataset)->sample(0), *(*dataset)->sample(2)};
  EXPECT_TRUE(can_stack(samples[0], samples[1], graph));
  auto inputs = stack_inputs(samples, graph);
  ASSERT_GOOD(inputs);
  EXPECT_EQ((*inputs)[0].to_floats(), (std::vector<float>{1, 2, 5, 6}));
  EXPECT_EQ((*inputs)[1].type().text(), "i64[]");
  EXPECT_EQ((*inputs)[2].type().text(), "f32[2,2]");
}

TEST(NpzSource, TakesExpectedOutputsByNameOrFromFloatingY) {
  TempFolder folder;
  const auto graph = model({{"x", type_with(ir::DType::f32, {-1, 1})}});
  ASSERT_GOOD(write_npz(folder / "a.npz",
                        std::vector<NamedArray>{{"x", f32({2, 1}, {1, 2})}, {"scores", f32({2, 2}, {1, 2, 3, 4})}}));
  auto named = open_dataset(spec_of(folder / "a.npz"), graph);
  ASSERT_GOOD(named);
  EXPECT_FALSE((*named)->has_labels());
  auto sample = (*named)->sample(1);
  ASSERT_GOOD(sample);
  ASSERT_EQ(sample->targets.size(), 1u);
  EXPECT_EQ(sample->targets[0].to_floats(), (std::vector<float>{3, 4}));
  ASSERT_GOOD(
      write_npz(folder / "b.npz", std::vector<NamedArray>{{"x", f32({2, 1}, {1, 2})}, {"y", f32({2}, {1.5f, 2.5f})}}));
  auto regression = open_dataset(spec_of(folder / "b.npz"), graph);
  ASSERT_GOOD(regression);
  EXPECT_FALSE((*regression)->has_labels());
  EXPECT_EQ((*regression)->sample(1)->targets[0].to_floats(), std::vector<float>{2.5f});
}

TEST(NpzSource, TakesLabelsFromWhereItIsTold) {
  TempFolder folder;
  ASSERT_GOOD(write_npz(
      folder / "a.npz",
      std::vector<NamedArray>{{"x", f32({2, 1}, {1, 2})}, {"y", i64({2}, {1, 2})}, {"coarse", u8({2}, {8, 9})}}));
  const auto graph = model({{"x", type_with(ir::DType::f32, {-1, 1})}});
  EXPECT_EQ((*open_dataset(spec_of(folder / "a.npz", "coarse"), graph))->sample(1)->label, 9);
  EXPECT_FALSE((*open_dataset(spec_of(folder / "a.npz", "none"), graph))->has_labels());
  EXPECT_NE(open_error(spec_of(folder / "a.npz", "fine"), graph)
                .message.find("no array 'fine' for the labels; it holds x, y, coarse"),
            std::string::npos);
  EXPECT_EQ(open_error(spec_of(folder / "a.npz", "folders"), graph).kind, ErrorKind::usage);
}

std::string idx_images() {
  std::string pixels;
  for (int i = 0; i < 12; ++i) pixels += static_cast<char>(i * 20);
  return std::string("\0\0\x08\3", 4) + be32(3) + be32(2) + be32(2) + pixels;
}
std::string idx_labels() { return std::string("\0\0\x08\1", 4) + be32(3) + std::string("\5\6\7", 3); }

TEST(IdxSource, FindsTheLabelsBesideAndReadsGzip) {
  TempFolder folder;
  const std::string images = gzip(idx_images(), folder / "t10k-images-idx3-ubyte.gz");
  gzip(idx_labels(), folder / "t10k-labels-idx1-ubyte.gz");
  auto dataset = open_dataset(as_it_is(images), image_model({-1, 1, 2, 2}));
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->size(), 3);
  auto sample = (*dataset)->sample(2);
  ASSERT_GOOD(sample);
  EXPECT_EQ(sample->label, 7);
  EXPECT_EQ(sample->inputs[0].type().text(), "f32[1,1,2,2]");
  EXPECT_EQ(sample->inputs[0].to_floats(), (std::vector<float>{160, 180, 200, 220}));
  // The same pictures for a model that takes them flat, and for one that takes three channels.
  EXPECT_EQ((*open_dataset(as_it_is(images), image_model({-1, 4})))->sample(0)->inputs[0].type().text(), "f32[1,4]");
  EXPECT_EQ((*open_dataset(as_it_is(images), image_model({-1, 3, 2, 2})))->sample(0)->inputs[0].type().text(),
            "f32[1,3,2,2]");
}

TEST(IdxSource, ReadsPlainFilesAndTruncatedGzipIsAnError) {
  TempFolder folder;
  auto plain =
      open_dataset(as_it_is(folder.write("train-images-idx3-ubyte", idx_images())), image_model({-1, 1, 2, 2}));
  ASSERT_GOOD(plain);
  EXPECT_FALSE((*plain)->has_labels());
  const std::string whole = slurp(gzip(idx_images(), folder / "a.gz"));
  const Error error = open_error(as_it_is(folder.write("b.gz", whole.substr(0, 20))), image_model({-1, 1, 2, 2}));
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_NE(error.message.find("corrupt or truncated gzip"), std::string::npos);
}

TEST(NpySource, ReadsOneArrayWithLabelsFromAFile) {
  TempFolder folder;
  // A .npy is what an .npz holds: cut one out by writing it through the public writer.
  ASSERT_GOOD(write_npz(folder / "a.npz", std::vector<NamedArray>{{"x", f32({2, 2}, {1, 2, 3, 4})}}));
  const std::string zip = slurp(folder / "a.npz");
  const size_t begin = zip.find("\x93NUMPY");
  const std::string npy = folder.write("x.npy", zip.substr(begin, 128 + 16));
  const std::string labels = folder.write("labels.txt", "1\n0\n");
  auto dataset = open_dataset(spec_of(npy, labels), image_model({-1, 2}, 2));
  ASSERT_GOOD(dataset);
  EXPECT_EQ((*dataset)->sample(0)->label, 1);
  EXPECT_EQ((*dataset)->sample(1)->inputs[0].to_floats(), (std::vector<float>{3, 4}));
}

TEST(OnnxTestData, IsOneRunMatchedByNameThenNumber) {
  const std::string folder = "/usr/share/libonnx-testdata/data/node/test_sub/test_data_set_0";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder << "; install libonnx-testdata";
  const auto type = type_with(ir::DType::f32, {3, 4, 5});
  // The files call their tensors x and y: the order of the model's inputs does not matter.
  auto graph = model({{"y", type}, {"x", type}});
  auto dataset = open_dataset(spec_of(folder), graph);
  ASSERT_GOOD(dataset);
  EXPECT_TRUE((*dataset)->whole_run());
  auto sample = (*dataset)->sample(0);
  ASSERT_GOOD(sample);
  ASSERT_EQ(sample->targets.size(), 1u);
  const auto y = sample->inputs[0].to_floats(), x = sample->inputs[1].to_floats(), z = sample->targets[0].to_floats();
  ASSERT_EQ(z.size(), 60u);
  for (size_t i = 0; i < z.size(); ++i) EXPECT_FLOAT_EQ(z[i], x[i] - y[i]);
  auto by_number = open_dataset(spec_of(folder), model({{"first", type}, {"second", type}}));
  ASSERT_GOOD(by_number);
  EXPECT_EQ((*by_number)->sample(0)->inputs[0].to_floats(), x);
  const Error missing = open_error(spec_of(folder), model({{"x", type}, {"y", type}, {"z", type}}));
  EXPECT_NE(missing.message.find("no tensor for the model's input 'z'"), std::string::npos);
  const Error shape = open_error(spec_of(folder), model({{"x", type}, {"y", type_with(ir::DType::f32, {3, 4, 6})}}));
  EXPECT_NE(shape.message.find("the tensor is f32[3,4,5], the model's input 'y' takes f32[3,4,6]"), std::string::npos);
}

TEST(Source, SaysWhatItIsNot) {
  TempFolder folder;
  const Error text = open_error(spec_of(folder.write("data.txt", "hello")), image_model(kPicture));
  EXPECT_EQ(text.kind, ErrorKind::usage);
  const Error archive = open_error(spec_of(gzip("x", folder / "d.tar.gz")), image_model(kPicture));
  EXPECT_EQ(archive.hint, "unpack it and name the folder");
  EXPECT_EQ(open_error(spec_of(folder.write("empty", "")), image_model(kPicture)).kind, ErrorKind::invalid);
}

}  // namespace
}  // namespace edgesmith::data

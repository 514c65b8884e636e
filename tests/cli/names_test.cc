// SPDX-License-Identifier: Apache-2.0
// Names come from the file, whoever wrote it: nothing of them acts on the terminal that shows them or on the page of a
// report, and none is lost in the file that goes out.
#include "cli/tool_test.h"
#include "edgesmith/base/file.h"
#include "edgesmith/ir/text.h"
#include "edgesmith/onnx/export.h"
#include "edgesmith/onnx/import.h"

namespace edgesmith::testing {
namespace {

const std::string kHostile[] = {
    "plain",
    "\033[2J\033[1;1Hcleared",
    "\033]0;title\a",
    "a\r\nedgesmith: error: forged",
    "\xc2\x9b"
    "31mC1",
    "\xe2\x80\xaegnp.exe",
    "\xe2\x81\xa6isolated",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='x",
    "%s%n%n",
    "tab\there",
    "broken\xff\xc0\xaf",
    std::string(300, 'w'),
};

class Names : public ToolTest {
 protected:
  void write_model(const std::string& name) {
    auto graph = ir::parse(
        "graph @g(%x: f32[N,4]) -> (y) {\n  %w = constant random(seed=1) : f32[4,4]\n  %i = identity %x\n"
        "  %h = mat_mul %i, %w\n  %r = opaque(\"acme::Gate\") %h\n  %y = relu %r\n  return %y\n}\n");
    ASSERT_TRUE(graph.ok());
    for (ir::Node& node : graph->nodes()) {
      if (node.op() > ir::OpKind::constant) node.set_name(name);
      for (int i = 0; i < node.num_outputs(); ++i) {
        if (!node.output(i).is_graph_output()) node.output(i).set_name(name + std::to_string(node.id()));
      }
    }
    graph->name = name;
    graph->set_metadata("note", name);
    ASSERT_TRUE(onnx::export_file(*graph, folder_ / "m.onnx").ok());
  }

  /// Nothing but lines of text. A page may hold tabs.
  static void expect_harmless(const std::string& text, const std::string& of, bool page = false) {
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      ASSERT_TRUE((byte >= 0x20 && byte != 0x7f) || c == '\n' || (page && c == '\t'))
          << of << ": byte " << int{byte} << " in\n"
          << text;
    }
    for (const char* mark : {"\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6", "\xff"}) {
      EXPECT_EQ(text.find(mark), std::string::npos) << of;
    }
  }
};

TEST_F(Names, DoNotActOnTerminalsOrPages) {
  for (const std::string& name : kHostile) {
    write_model(name);
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"inspect", "m.onnx", "-v"},
             {"inspect", "m.onnx", "--json", "--report", "r"},
             {"simplify", "m.onnx", "-o", "o.onnx", "--force", "--report", "r2"},
             {"quantize", "m.onnx", "-o", "q.onnx", "--force", "--weights-only", "--report", "r3"},
             {"prune", "m.onnx", "-o", "p.onnx", "--sparsity", "0.5", "--repair", "none", "--only", "nothing*"}}) {
      const ToolResult result = run(command);
      expect_harmless(result.out, command[0]);
      expect_harmless(result.err, command[0]);
      EXPECT_EQ(result.err.find("\nedgesmith: error: forged"), std::string::npos);
      EXPECT_NE(result.exit_code, 70) << result.err;
    }
    for (const char* report : {"r", "r2", "r3"}) {
      const auto page = read_file(folder_ / report + "/report.html");
      ASSERT_TRUE(page.ok()) << page.error().text();
      EXPECT_EQ(page->find("<script"), std::string::npos);
      EXPECT_EQ(page->find("<img"), std::string::npos);
      EXPECT_EQ(page->find("' onmouseover='"), std::string::npos);
      expect_harmless(*page, report, true);
    }
    const auto out = onnx::import_file(folder_ / "o.onnx");
    ASSERT_TRUE(out.ok()) << out.error().text();
    EXPECT_EQ(out->name, name);
    ASSERT_NE(out->find_metadata("note"), nullptr);
    EXPECT_EQ(*out->find_metadata("note"), name);
  }
}

}  // namespace
}  // namespace edgesmith::testing

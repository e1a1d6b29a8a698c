#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <coroutine>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/async/task.h"

// What GCC 12 miscompiles in coroutines, row by row: the allowed form is held by assertions; the
// trap is run in a child process and what came of it printed, so that a change of compiler shows.
// Nothing is asserted of a trap: a compiler that has learnt better must not fail the tests.
namespace lsmlab {
namespace {

// Knows how many of it are alive and whether any was moved bitwise.
class Tracked {
 public:
  explicit Tracked(int v) noexcept : value(v), self_(this) { ++alive; }
  Tracked(const Tracked& o) noexcept : value(o.value), self_(this) { ++alive; }
  Tracked(Tracked&& o) noexcept : value(o.value), self_(this) { ++alive; }
  Tracked& operator=(const Tracked&) = default;
  ~Tracked() {
    --alive;
    if (self_ != this) ++misplaced;
  }
  int value;
  static inline int alive = 0;
  static inline int misplaced = 0;

 private:
  const Tracked* self_;
};

bool Balanced() { return Tracked::alive == 0 && Tracked::misplaced == 0; }

template <typename T>
T Finish(Task<T> task) {
  EXPECT_TRUE(task.Start());
  return task.Take();
}

// Runs a trap in a child and prints what came of it.
template <typename Trap>
void Report(const char* name, Trap trap) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);  // a sanitizer may have a lot to say
    _exit(trap() ? 0 : 1);
  }
  int state = 0;
  waitpid(child, &state, 0);
  const char* outcome = "still wrong: crashed";
  if (WIFEXITED(state)) outcome = WEXITSTATUS(state) == 0 ? "correct here" : "still wrong";
  std::printf("[  TRAP    ] %s: %s\n", name, outcome);
}

Task<int> Value(int v) { co_return v; }

// ---- Row: aggregate temporaries with a non-trivial member. Rule: name it, or a constructor.

struct Options {
  Tracked tracked{0};
  int factor = 1;
};
struct Built {
  Built(Tracked t, int f) : tracked(std::move(t)), factor(f) {}
  Tracked tracked;
  int factor;
};
Task<int> UseOptions(Options o) { co_return o.tracked.value* o.factor; }
Task<int> UseOptionsRef(const Options& o) { co_return o.tracked.value* o.factor; }
Task<int> UseBuilt(Built o) { co_return o.tracked.value* o.factor; }
Task<int> UseString(std::string s) { co_return static_cast<int>(s.size()); }
Task<int> UseOwner(std::unique_ptr<Tracked> t) { co_return t->value; }
Task<Tracked> MakeTracked(int v) { co_return Tracked(v); }

Task<int> NamedAggregate() {
  Options options{Tracked(5), 4};
  const int by_reference = co_await UseOptionsRef(options);
  const int by_value = co_await UseOptions(std::move(options));
  co_return by_reference + by_value;
}
Task<int> ConstructedTemporaries() {
  int sum = co_await UseBuilt(Built(Tracked(5), 4));
  sum += co_await UseString(std::string(100, 'x'));
  sum += co_await UseOwner(std::make_unique<Tracked>(7));
  co_return sum;
}
Task<int> AwaitThenBuild() {
  Tracked made = co_await MakeTracked(6);
  const int factor = co_await Value(2);
  Options options{std::move(made), factor};
  co_return co_await UseOptions(std::move(options));
}
Task<int> TrapAggregate() { co_return co_await UseOptions(Options{Tracked(5), 4}); }
Task<int> TrapAggregateRef() { co_return co_await UseOptionsRef(Options{Tracked(5), 4}); }
Task<int> TrapAggregateOfAwaits() {
  Options o{co_await MakeTracked(5), co_await Value(4)};
  co_return o.tracked.value* o.factor;
}

TEST(GccTraps, AggregateTemporaries) {
  EXPECT_EQ(Finish(NamedAggregate()), 40);
  EXPECT_TRUE(Balanced());
  EXPECT_EQ(Finish(ConstructedTemporaries()), 127);
  EXPECT_TRUE(Balanced());
  EXPECT_EQ(Finish(AwaitThenBuild()), 12);
  EXPECT_TRUE(Balanced());
  Report("aggregate temporary by value",
         [] { return Finish(TrapAggregate()) == 20 && Balanced(); });
  Report("aggregate temporary by reference",
         [] { return Finish(TrapAggregateRef()) == 20 && Balanced(); });
  Report("aggregate initialised from awaits",
         [] { return Finish(TrapAggregateOfAwaits()) == 20 && Balanced(); });
}

// ---- Row: awaiters as braced aggregates. Rule: awaiters have constructors, no copies.

struct BuiltAwaiter {
  explicit BuiltAwaiter(Tracked t) : tracked(std::move(t)) {}
  BuiltAwaiter(const BuiltAwaiter&) = delete;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
  int await_resume() const noexcept { return tracked.value; }
  Tracked tracked;
};
struct BracedAwaiter {
  Tracked tracked;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
  int await_resume() const noexcept { return tracked.value; }
};
Task<int> AwaitsBuilt() {
  const int got = co_await BuiltAwaiter(Tracked(5));
  co_return got;
}
Task<int> TrapBracedAwaiter() { co_return co_await BracedAwaiter{Tracked(5)}; }

TEST(GccTraps, Awaiters) {
  EXPECT_EQ(Finish(AwaitsBuilt()), 5);
  EXPECT_TRUE(Balanced());
  Report("awaiter as a braced aggregate",
         [] { return Finish(TrapBracedAwaiter()) == 5 && Balanced(); });
}

// ---- Row: temporary closures with captures. Rule: name the closure, pass std::move of it.

template <typename F>
Task<int> Apply(F function) {
  co_return function(2);
}
Task<int> NamedClosure(std::shared_ptr<int> shared) {
  auto closure = [shared](int x) { return *shared * x; };
  co_return co_await Apply(std::move(closure));
}
Task<int> TrapClosure(std::shared_ptr<int> shared) {
  co_return co_await Apply([shared](int x) { return *shared * x; });
}

TEST(GccTraps, Closures) {
  auto shared = std::make_shared<int>(21);
  EXPECT_EQ(Finish(NamedClosure(shared)), 42);
  EXPECT_EQ(shared.use_count(), 1);
  Report("temporary closure with captures", [] {
    auto counted = std::make_shared<int>(21);
    return Finish(TrapClosure(counted)) == 42 && counted.use_count() == 1;
  });
}

// ---- Row: a coroutine that is a member of a temporary. Rule: a named object that outlives it.

struct Member {
  Tracked tracked{3};
  Task<int> Get() { co_return tracked.value; }
};
Task<int> NamedObject() {
  Member member;
  co_return co_await member.Get();
}
Task<int> TrapMember() { co_return co_await Member{}.Get(); }

TEST(GccTraps, MembersOfTemporaries) {
  EXPECT_EQ(Finish(NamedObject()), 3);
  EXPECT_TRUE(Balanced());
  Report("member coroutine of an aggregate temporary",
         [] { return Finish(TrapMember()) == 3 && Balanced(); });
}

// ---- Row: awaiting a choice of two ValueOrTask: what was chosen is destroyed twice. Rule: choose
// in a plain function or a named local, await that.

ValueOrTask<Tracked> Later(int v) { return MakeTracked(v); }
Task<int> AwaitsNamedChoice(bool first) {
  ValueOrTask<Tracked> chosen = first ? Later(1) : Later(2);
  Tracked got = co_await chosen;
  co_return got.value;
}
Task<int> TrapChoice(bool first) {
  Tracked got = co_await (first ? Later(1) : Later(2));
  co_return got.value;
}

TEST(GccTraps, ChoicesOfTasks) {
  EXPECT_EQ(Finish(AwaitsNamedChoice(true)), 1);
  EXPECT_EQ(Finish(AwaitsNamedChoice(false)), 2);
  EXPECT_TRUE(Balanced());
  Report("choice of two tasks", [] {
    return Finish(TrapChoice(true)) == 1 && Finish(TrapChoice(false)) == 2 && Balanced();
  });
}

// ---- Row: lists of awaits. Rule: build the vector before the await. (The trap does not compile.)

Task<int> Sum(std::vector<int> values) {
  int sum = 0;
  for (int v : values) sum += v;
  co_return sum;
}
Task<int> VectorBuiltBefore() {
  std::vector<int> values = {1, 2};
  values.push_back(co_await Value(3));
  co_return co_await Sum(std::move(values));
}

TEST(GccTraps, Lists) { EXPECT_EQ(Finish(VectorBuiltBefore()), 6); }

// ---- Row: over-aligned locals. Rule: none; aligned memory comes from a pool, by pointer.

// Keeps the optimiser from knowing where the address came from.
bool Aligned(const void* p, uintptr_t to) {
  uintptr_t address = reinterpret_cast<uintptr_t>(p);
  __asm__ volatile("" : "+r"(address));
  return address % to == 0;
}
Task<bool> PooledBuffer(char* buffer) {
  buffer[0] = 1;
  co_await Value(1);
  co_return Aligned(buffer, 4096);
}
Task<bool> TrapAlignas() {
  alignas(64) char local[64] = {};
  co_await Value(1);
  local[0] = 1;
  co_return Aligned(local, 64);
}

TEST(GccTraps, OverAlignedLocals) {
  std::unique_ptr<char, void (*)(void*)> buffer(static_cast<char*>(std::aligned_alloc(4096, 4096)),
                                                std::free);
  EXPECT_TRUE(Finish(PooledBuffer(buffer.get())));
  Report("alignas(64) local", [] {
    // Malloc may happen to align one of them.
    bool all = true;
    std::vector<Task<bool>> kept;
    for (int i = 0; i < 9; ++i) {
      kept.push_back(TrapAlignas());
      kept.back().Start();
      all &= kept.back().Take();
    }
    return all;
  });
}

// ---- Row: symmetric transfer. Rule: the `bool await_suspend` of Task.

Task<int> Chain(int depth) {
  if (depth == 0) co_return 0;
  const int below = co_await Chain(depth - 1);
  co_return below + 1;
}
Task<long> InlineAwaits(long rounds) {
  long sum = 0;
  for (long i = 0; i < rounds; ++i) sum += co_await Chain(2);
  co_return sum;
}

// A task that transfers control by returning handles.
struct Symmetric {
  struct promise_type {
    std::coroutine_handle<> continuation;
    Symmetric get_return_object() {
      return Symmetric{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
        return h.promise().continuation ? h.promise().continuation : std::noop_coroutine();
      }
      void await_resume() const noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::abort(); }
  };
  struct Awaiter {
    explicit Awaiter(std::coroutine_handle<promise_type> h) : handle(h) {}
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) const noexcept {
      handle.promise().continuation = awaiting;
      return handle;
    }
    void await_resume() const noexcept {}
    std::coroutine_handle<promise_type> handle;
  };
  Awaiter operator co_await() const noexcept { return Awaiter(handle); }
  explicit Symmetric(std::coroutine_handle<promise_type> h) : handle(h) {}
  Symmetric(const Symmetric&) = delete;
  ~Symmetric() { handle.destroy(); }
  std::coroutine_handle<promise_type> handle;
};
Symmetric Nothing() { co_return; }
Symmetric TrapSymmetric(long rounds) {
  for (long i = 0; i < rounds; ++i) co_await Nothing();
}

TEST(GccTraps, InlineAwaitsDoNotGrowTheStack) {
  EXPECT_EQ(Finish(InlineAwaits(500'000)), 1'000'000);
  Report("symmetric transfer, 5 million inline awaits", [] {
    const Symmetric task = TrapSymmetric(5'000'000);
    task.handle.resume();
    return task.handle.done();
  });
}

// ---- Row: capturing lambda coroutines. Rule: coroutines are functions or members.

Task<int> FromFunction(std::shared_ptr<int> shared) {
  co_await Value(1);
  co_return *shared;
}
Task<int> CallsFunction(std::shared_ptr<int> shared) { co_return co_await FromFunction(shared); }
Task<int> TrapLambda(std::shared_ptr<int> shared) {
  co_return co_await [shared]() -> Task<int> {
    co_await Value(1);
    co_return *shared;
  }();
}

TEST(GccTraps, LambdaCoroutines) {
  auto shared = std::make_shared<int>(9);
  EXPECT_EQ(Finish(CallsFunction(shared)), 9);
  EXPECT_EQ(shared.use_count(), 1);
  Report("temporary capturing lambda coroutine (wrong under sanitizers)", [] {
    auto counted = std::make_shared<int>(9);
    return Finish(TrapLambda(counted)) == 9 && counted.use_count() == 1;
  });
}

// ---- Row: co_await in a condition, in a coroutine without any local variable: the body is lost.
// Rule: no co_await in the condition of if, while, for or switch; await into a named local.

Task<bool> Yes() { co_return true; }
Task<void> NamedCondition(int& out) {
  const bool yes = co_await Yes();
  if (yes) out += 1;
  for (;;) {
    const bool again = co_await Yes();
    if (again) break;
  }
  out += 1;
}
Task<void> TrapIf(int& out) {
  if (co_await Yes()) out = 2;
}
Task<void> TrapWhile(int& out) {
  while (!co_await Yes()) {
  }
  out = 2;
}
Task<void> TrapSwitch(int& out) {
  switch (co_await Value(1)) {
    case 1:
      out = 2;
  }
}

TEST(GccTraps, Conditions) {
  int out = 0;
  Task<void> named = NamedCondition(out);
  ASSERT_TRUE(named.Start());
  EXPECT_EQ(out, 2);
  const auto run = [](Task<void> (*trap)(int&)) {
    int value = 0;
    Task<void> task = trap(value);
    return task.Start() && value == 2;
  };
  Report("co_await in if, no locals", [&] { return run(TrapIf); });
  Report("co_await in while, no locals", [&] { return run(TrapWhile); });
  Report("co_await in switch, no locals", [&] { return run(TrapSwitch); });
}

// The text in the parentheses after a keyword at `at`, or nothing.
std::string_view Condition(std::string_view text, size_t at) {
  const size_t open = text.find_first_not_of(" \n", at);
  if (open == std::string_view::npos || text[open] != '(') return {};
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')' && --depth == 0) return text.substr(open, i - open);
  }
  return {};
}

TEST(GccTraps, NoAwaitStandsInACondition) {
  for (const char* root : {"engine", "variants", "harness"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      const std::string extension = entry.path().extension();
      if (extension != ".cc" && extension != ".h") continue;
      std::ifstream file(entry.path());
      const std::string text((std::istreambuf_iterator<char>(file)), {});
      for (const std::string_view keyword : {" if", " while", " for", " switch"}) {
        for (size_t at = text.find(keyword); at != std::string::npos;
             at = text.find(keyword, at + 1)) {
          const std::string_view condition = Condition(text, at + keyword.size());
          EXPECT_EQ(condition.find("co_await"), std::string_view::npos)
              << entry.path() << ": " << keyword << " " << condition;
        }
      }
    }
  }
}

// ---- Forms that were found correct and that the engine uses.

Task<Status> Fails(bool fail) {
  if (fail) co_return Status::Aborted("asked to");
  co_return Status();
}
Task<Status> TriesTwo(bool first, bool second, int& reached) {
  LSMLAB_CO_TRY(co_await Fails(first));
  ++reached;
  LSMLAB_CO_TRY(co_await Fails(second));
  ++reached;
  co_return Status();
}
Task<int> Mixed(std::unique_ptr<Tracked> owner) {
  const int chosen = owner->value > 0 ? co_await Value(1) : co_await Value(2);
  const int nested = co_await Value(co_await Value(chosen + 1));
  Tracked tracked = co_await MakeTracked(nested);
  int sum = tracked.value;
  for (int v : {1, 2, 3}) sum += co_await Value(v);
  (void)co_await Value(0);
  co_return sum;
}

TEST(GccTraps, FormsInUse) {
  int reached = 0;
  EXPECT_TRUE(Finish(TriesTwo(false, false, reached)).ok());
  EXPECT_EQ(reached, 2);
  EXPECT_FALSE(Finish(TriesTwo(false, true, reached)).ok());
  EXPECT_EQ(reached, 3);
  EXPECT_EQ(Finish(Mixed(std::make_unique<Tracked>(1))), 8);
  EXPECT_TRUE(Balanced());
}

}  // namespace
}  // namespace lsmlab

#include "engine/parts/mailboxes.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/parts/executor.h"
#include "variants/executor/executors.h"
#include "variants/io/ios.h"
#include "variants/io/sim_disk.h"
#include "variants/io/simulated_io.h"

// What is done on an event loop by tasks of another, and by threads that have none.
namespace lsmlab {
namespace {

std::unique_ptr<Io> PosixForVisits() {
  return kPosixIo.make(DefaultSettings(kPosixIo.settings)).value();
}

std::unique_ptr<Executor> Loops(int64_t loops, int64_t visitors, int64_t seed) {
  SettingBag bag = DefaultSettings(kReactorExecutor.settings);
  bag.Set("seed", seed);
  bag.Set("loops", loops);
  bag.Set("visitors", visitors);
  return kReactorExecutor.make(bag);
}

// With threads, and in one thread by a seed.
class MailboxesTest : public testing::TestWithParam<int64_t> {};

Task<int> LoopOf(Mailboxes& boxes) { co_return boxes.CurrentLoop(); }

Task<void> GoThereAndBack(Executor& executor, Io& io, int rounds, std::atomic<int>& right) {
  Mailboxes& boxes = *executor.mailboxes();
  for (int i = 0; i < rounds; ++i) {
    const int home = boxes.CurrentLoop();
    const int there = co_await CallOn(boxes, i % 3, io, LoopOf(boxes));
    right += there == i % 3 && boxes.CurrentLoop() == home ? 1 : 0;
  }
}

TEST_P(MailboxesTest, ACallRunsThereAndComesHome) {
  auto io = PosixForVisits();
  auto executor = Loops(3, 1024, GetParam());
  std::atomic<int> right{0};
  for (int loop = 0; loop < 3; ++loop) {
    executor->SpawnOn(loop, Priority::kForeground, GoThereAndBack(*executor, *io, 3000, right),
                      *io);
  }
  executor->Drain(*io);
  EXPECT_EQ(right.load(), 9000);
}

Task<void> AwaitCall(Task<int> call, std::atomic<int>& answer) {
  const int there = co_await call;
  answer = there;
}

TEST_P(MailboxesTest, ACallFindsOutWhereItIsWhenItRuns) {
  auto io = PosixForVisits();
  auto executor = Loops(2, 1024, GetParam());
  Mailboxes& boxes = *executor->mailboxes();
  std::atomic<int> answer{-2};
  Task<int> call = CallOn(boxes, 1, *io, LoopOf(boxes));
  executor->SpawnOn(0, Priority::kForeground, AwaitCall(std::move(call), answer), *io);
  executor->Drain(*io);
  EXPECT_EQ(answer.load(), 1);
}

struct Visits {
  std::atomic<int> there{0}, most{0}, done{0};
};

// Stays for some turns of the visited loop.
Task<bool> Stay(Executor& executor, Visits& visits) {
  const int now = ++visits.there;
  int most = visits.most.load();
  while (now > most && !visits.most.compare_exchange_weak(most, now)) {
  }
  for (int i = 0; i < 3; ++i) co_await Yield(executor, Priority::kForeground);
  --visits.there;
  co_return true;
}

Task<void> CallAgainAndAgain(Executor& executor, Io& io, int loop, int rounds, Visits& visits) {
  for (int i = 0; i < rounds; ++i) {
    const bool stayed = co_await CallOn(*executor.mailboxes(), loop, io, Stay(executor, visits));
    visits.done += stayed ? 1 : 0;
  }
}

// Two loops that call each other under load, each with room for two: nobody waits for ever.
TEST_P(MailboxesTest, ALoopTakesSoManyAndTheOthersWaitAtHome) {
  auto io = PosixForVisits();
  auto executor = Loops(2, 2, GetParam());
  Visits to[2];
  for (int i = 0; i < 16; ++i) {
    for (const int loop : {0, 1}) {
      executor->SpawnOn(1 - loop, Priority::kForeground,
                        CallAgainAndAgain(*executor, *io, loop, 500, to[loop]), *io);
    }
  }
  executor->Drain(*io);
  for (const Visits& visits : to) {
    EXPECT_EQ(visits.done.load(), 16 * 500);
    EXPECT_EQ(visits.most.load(), 2);
    EXPECT_EQ(visits.there.load(), 0);
  }
}

Task<Status> WriteThere(Io& io, Mailboxes& boxes, std::string path, int* loop) {
  auto file = co_await OpenFile(io, IoSite::kOther, OpenMode::kCreate, std::move(path));
  if (!file.ok()) co_return file.status();
  std::string text(1000, 'x');
  LSMLAB_CO_TRY(co_await WriteAt(io, IoSite::kOther, *file.value(), 0, text.data(), text.size()));
  *loop = boxes.CurrentLoop();
  co_return co_await DataSync(io, IoSite::kOther, *file.value());
}

Task<void> WriteOnAnother(Executor& executor, Io& io, int number, std::atomic<int>& right) {
  int loop = -1;
  std::string path = "/f" + std::to_string(number);
  Task<Status> write = WriteThere(io, *executor.mailboxes(), std::move(path), &loop);
  const Status status = co_await CallOn(*executor.mailboxes(), 1, io, std::move(write));
  right += status.ok() && loop == 1 ? 1 : 0;
}

// The visited loop has no task of its own that would make it look at that Io.
TEST_P(MailboxesTest, AVisitorsOperationsCompleteThere) {
  SimulatedOptions options;
  options.defer = true;
  options.latency_ns = 20'000;
  auto io = MakeSimulatedIo(SimDisk::Make(SimDisk::Options()), options);
  auto executor = Loops(2, 1024, GetParam());
  std::atomic<int> right{0};
  for (int i = 0; i < 200; ++i) {
    executor->SpawnOn(0, Priority::kForeground, WriteOnAnother(*executor, *io, i, right), *io);
  }
  executor->Drain(*io);
  EXPECT_EQ(right.load(), 200);
}

// Callers that are no loops: several at once, but where one thread does everything.
template <typename F>
void OnOtherThreads(int64_t seed, F work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < (seed == 0 ? 4 : 1); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
}

TEST_P(MailboxesTest, AThreadWithoutALoopWaitsForItsAnswer) {
  auto io = PosixForVisits();
  auto executor = Loops(3, 1, GetParam());
  Mailboxes& boxes = *executor->mailboxes();
  std::atomic<int> wrong{0};
  OnOtherThreads(GetParam(), [&] {
    for (int i = 0; i < 600; ++i) {
      const int there = RunSync(*executor, *io, Visit(boxes, i, *io, LoopOf(boxes)));
      const int here = RunSync(*executor, *io, CallOn(boxes, i, *io, LoopOf(boxes)));
      wrong += there == i % 3 && here == -1 && boxes.CurrentLoop() == -1 ? 0 : 1;
    }
  });
  EXPECT_EQ(wrong.load(), 0);
}

std::function<void(int)> ToldOn(Mailboxes& boxes, int loop, std::atomic<int>& right) {
  return [&boxes, loop, &right](int there) {
    right += there == loop && boxes.CurrentLoop() == loop ? 1 : 0;
  };
}

Task<void> SendFromLoop(Executor& executor, Io& io, int messages, std::atomic<int>& right) {
  Mailboxes& boxes = *executor.mailboxes();
  for (int i = 0; i < messages; ++i) {
    Task<void> send = Send(boxes, i, io, LoopOf(boxes), ToldOn(boxes, i % 3, right));
    co_await send;
  }
}

// From loops, to themselves, too, and from other threads, with little room.
TEST_P(MailboxesTest, ACallbackIsCalledOnTheLoopOfItsMessage) {
  auto io = PosixForVisits();
  auto executor = Loops(3, 2, GetParam());
  Mailboxes& boxes = *executor->mailboxes();
  std::atomic<int> right{0}, expected{0};
  for (int loop = 0; loop < 3; ++loop) {
    executor->SpawnOn(loop, Priority::kForeground, SendFromLoop(*executor, *io, 600, right), *io);
    expected += 600;
  }
  OnOtherThreads(GetParam(), [&] {
    for (int i = 0; i < 600; ++i) {
      RunSync(*executor, *io, Send(boxes, i, *io, LoopOf(boxes), ToldOn(boxes, i % 3, right)));
    }
    expected += 600;
  });
  RunSync(*executor, *io, Send(boxes, 0, *io, LoopOf(boxes), nullptr));
  executor->Drain(*io);
  EXPECT_EQ(right.load(), expected.load());
}

TEST_P(MailboxesTest, ALoopTakesSoManyMessagesAndSendersWait) {
  auto io = PosixForVisits();
  auto executor = Loops(2, 2, GetParam());
  Mailboxes& boxes = *executor->mailboxes();
  Visits visits;
  std::atomic<int> sent{0};
  OnOtherThreads(GetParam(), [&] {
    for (int i = 0; i < 300; ++i) {
      ++sent;
      RunSync(*executor, *io, Send(boxes, 1, *io, Stay(*executor, visits), [&visits](bool stayed) {
        visits.done += stayed ? 1 : 0;
      }));
    }
  });
  executor->Drain(*io);
  EXPECT_EQ(visits.done.load(), sent.load());
  EXPECT_EQ(visits.most.load(), 2);
  EXPECT_EQ(visits.there.load(), 0);
}

Task<int> StayUntil(Executor& executor, std::atomic<bool>& open) {
  while (!open.load()) co_await Yield(executor, Priority::kForeground);
  co_return 1;
}

TEST_P(MailboxesTest, WhoDoesNotWaitIsRefusedByAFullLoop) {
  auto io = PosixForVisits();
  auto executor = Loops(2, 2, GetParam());
  Mailboxes& boxes = *executor->mailboxes();
  std::atomic<bool> open{false};
  std::atomic<int> answers{0};
  const auto count = [&answers](int one) { answers += one; };
  EXPECT_TRUE(TrySend(boxes, 1, *io, StayUntil(*executor, open), count));
  EXPECT_TRUE(TrySend(boxes, 1, *io, StayUntil(*executor, open), count));
  Task<int> third = StayUntil(*executor, open);
  std::function<void(int)> tell = count;
  EXPECT_FALSE(TrySend(boxes, 1, *io, std::move(third), std::move(tell)));
  EXPECT_TRUE(TrySend(boxes, 0, *io, StayUntil(*executor, open), count));
  EXPECT_EQ(answers.load(), 0);
  open = true;
  executor->Drain(*io);
  EXPECT_EQ(answers.load(), 3);
  ASSERT_TRUE(third.valid()) << "was taken over";
  EXPECT_TRUE(TrySend(boxes, 1, *io, std::move(third), std::move(tell)));
  executor->Drain(*io);
  EXPECT_EQ(answers.load(), 4) << "the callback was taken over by what was refused";
}

TEST(Mailboxes, ExecutorsWithoutLoopsHaveNone) {
  EXPECT_EQ(kThreadsExecutor.make(DefaultSettings(kThreadsExecutor.settings))->mailboxes(),
            nullptr);
}

INSTANTIATE_TEST_SUITE_P(Seed, MailboxesTest, testing::Values(0, 1, 5));

}  // namespace
}  // namespace lsmlab

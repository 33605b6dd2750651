using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using S3dlio.Log;
using static S3dlio.Bench.Pairs;

namespace S3dlio.Bench;

/// <summary>
/// The durable log beside FasterLog, Tsavorite, RocksDB, DotNext and the bare device, in turns A B B A in one process: the median of the
/// pairs' ratios counts.
/// </summary>
static partial class Program
{
    static string _folder = "";
    static int _number;

    static RivalLog Faster(string folder) => new FasterRecords(folder);

    static RivalLog Newer(string folder) => new TsavoriteRecords(folder);

    static string Fresh() => Path.Combine(_folder, $"{_number++}");

    static int Main(string[] arguments)
    {
        if (arguments.Length is 0 or > 2)
        {
            Console.Error.WriteLine("usage: log-bench FOLDER [PAIRS]");
            return 2;
        }
        _folder = Path.Combine(Path.GetFullPath(arguments[0]), $"log-bench-{Environment.ProcessId}");
        Directory.CreateDirectory(_folder);
        int pairs = arguments.Length > 1 ? int.Parse(arguments[1], System.Globalization.CultureInfo.InvariantCulture) : 7;
        Console.WriteLine(Machine);
        try
        {
            foreach (var (name, open) in new (string, Func<string, RivalLog>)[] { ("FasterLog", Faster), ("Tsavorite", Newer) })
            {
                // the bars are of FasterLog; its successor is there to be seen
                bool isBar = name == "FasterLog";
                Compare($"append 64 B, one thread, checksums on, one commit at the end, against {name}", "M/s", pairs, isBar ? 1.2 : 0,
                    () => Ours(64, 2_000_000), () => Appends(open, 64, 2_000_000), 2.0);
                Compare($"the same in batches of 1024, against {name}", "M/s", pairs, isBar ? 3 : 0,
                    () => OursBatches(64, 4_000_000), () => Appends(open, 64, 2_000_000), 4.0, 2.0);
                Compare($"append 1 KiB, one thread, checksums on, one commit at the end, against {name}", "M/s", pairs, isBar ? 1.3 : 0,
                    () => Ours(1024, 400_000), () => Appends(open, 1024, 400_000), 0.4);
            }
            Compare("durable commit of 128 B, one waiter, against pwrite and fdatasync", "k/s", pairs, 0.91,
                () => OursCommits(1, 400), () => Floor(400), 0.4);
            Compare("durable commit of 128 B, one waiter, against RocksDB's synchronous put", "k/s", pairs, 1,
                () => OursCommits(1, 400), () => Appends(static folder => new RocksRecords(folder), 128, 400, inCommit: 1), 0.4);
            Compare("durable commit of 128 B, one waiter, against DotNext's WriteAheadLog", "k/s", pairs, 1,
                () => OursCommits(1, 400), () => Appends(static folder => new DotNextRecords(folder), 128, 400, inCommit: 1), 0.4);
            Compare("durable commit of 128 B, one waiter, against FasterLog (which writes through and flushes nothing)", "k/s", pairs, 0,
                () => OursCommits(1, 400), () => Appends(Faster, 128, 400, inCommit: 1), 0.4);
            Compare("durable commit of 128 B, one waiter, against Tsavorite (the same)", "k/s", pairs, 0,
                () => OursCommits(1, 400), () => Appends(Newer, 128, 400, inCommit: 1), 0.4);
            Compare("32 waiters against one", "k/s", pairs, 15,
                () => OursCommits(32, 200), () => OursCommits(1, 400), 6.4, 0.4);
            Scan("FasterLog", Faster, pairs);
            Scan("Tsavorite", Newer, pairs);
        }
        finally
        {
            Directory.Delete(_folder, recursive: true);
        }
        return 0;
    }

    static double Ours(int size, int count)
    {
        string folder = Fresh();
        using var log = LogWriter.Open(folder, new LogOptions());
        var record = new byte[size];
        double seconds = Seconds(() =>
        {
            for (int i = 0; i < count; i++)
                log.Append(record.AsSpan());
            log.Commit();
        });
        log.Close();
        Directory.Delete(folder, recursive: true);
        return seconds;
    }

    static double OursBatches(int size, int count)
    {
        string folder = Fresh();
        using var log = LogWriter.Open(folder, new LogOptions());
        var records = new byte[1024 * size];
        long[] ends = [.. Enumerable.Range(1, 1024).Select(i => (long)i * size)];
        double seconds = Seconds(() =>
        {
            for (int i = 0; i < count / 1024; i++)
                log.AppendBatch(records, ends);
            log.Commit();
        });
        log.Close();
        Directory.Delete(folder, recursive: true);
        return seconds;
    }

    static double OursCommits(int threads, int count)
    {
        string folder = Fresh();
        using var log = LogWriter.Open(folder, new LogOptions());
        var record = new byte[128];
        double seconds = Seconds(() =>
        {
            var waiters = Enumerable.Range(0, threads).Select(_ => new Thread(() =>
            {
                for (int i = 0; i < count; i++)
                {
                    log.Append(record.AsSpan());
                    log.Commit();
                }
            })).ToArray();
            foreach (var one in waiters)
                one.Start();
            foreach (var one in waiters)
                one.Join();
        });
        log.Close();
        Directory.Delete(folder, recursive: true);
        return seconds;
    }

    static double Appends(Func<string, RivalLog> open, int size, int count, int inCommit = int.MaxValue)
    {
        string folder = Fresh();
        double seconds;
        using (var log = open(folder))
        {
            var record = new byte[size];
            seconds = Seconds(() =>
            {
                for (int i = 0; i < count; i++)
                {
                    log.Append(record);
                    if ((i + 1) % inCommit == 0)
                        log.Commit();
                }
                if (inCommit == int.MaxValue)
                    log.Commit();
            });
        }
        Directory.Delete(folder, recursive: true);
        return seconds;
    }

    static double Floor(int count)
    {
        string path = Fresh();
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, preallocationSize: 1 << 20);
        RandomAccess.FlushToDisk(file);
        var record = new byte[200];
        double seconds = Seconds(() =>
        {
            for (int i = 0; i < count; i++)
            {
                RandomAccess.Write(file, record, 4096 + (i * record.Length));
                if (fdatasync(file) != 0)
                    throw new IOException("fdatasync failed");
            }
        });
        File.Delete(path);
        return seconds;
    }

    static void Scan(string name, Func<string, RivalLog> open, int pairs)
    {
        const int size = 1024, count = 262_144;
        string folder = Fresh(), theirs = Fresh();
        using (var log = LogWriter.Open(folder, new LogOptions()))
        {
            for (int i = 0; i < count; i++)
                log.Append(new byte[size].AsSpan());
            log.Close();
        }
        using var rival = open(theirs);
        for (int i = 0; i < count; i++)
            rival.Append(new byte[size]);
        rival.Commit();
        using var reader = LogReader.Open(folder, OnDamage.Raise);
        var target = new byte[16 << 20];
        double OursOnce() => Seconds(() =>
        {
            for (long at = 0; at < reader.EndRecord;)
            {
                var plan = reader.Plan(at, 16_384, target.Length, false);
                plan.Read(target.AsSpan(0, (int)plan.Length), CancellationToken.None);
                at = plan.Next;
            }
        });
        double RivalOnce() => Seconds(() =>
        {
            if (rival.Scan() is var found && found != (long)size * count)
                throw new InvalidDataException($"{name} gave {found} bytes");
        });
        Compare(
            $"verified scan of 1 KiB records into memory, against {name}", "GB/s", pairs, 0, OursOnce, RivalOnce,
            (double)size * count / 1e9);
        reader.Dispose();
        rival.Dispose();
        Directory.Delete(folder, recursive: true);
        Directory.Delete(theirs, recursive: true);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fdatasync(SafeFileHandle fd);
}

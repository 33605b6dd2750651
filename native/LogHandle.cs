using S3dlio.Log;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>What C holds as a log. The log itself may be closed while other threads use it: what they do then ends with Closed.</summary>
sealed class LogHandle(RecordLog log, IReadOnlyList<string> damage) : IAsyncDisposable
{
    public RecordLog Log => log;

    public IReadOnlyList<string> Damage => damage;

    /// <exception cref="StoreException">InvalidArgument: the log was opened for reading.</exception>
    public LogWriter Writer => log as LogWriter
        ?? throw new StoreException(
            ErrorKind.InvalidArgument, log.Directory, "the log was opened for reading; open it with mode \"a\" to change it");

    /// <summary>Commits what was appended, and closes.</summary>
    public ValueTask DisposeAsync()
    {
        if (log is LogWriter writer)
            return new ValueTask(Task.Run(writer.Close));
        if (log is StoreLog far)
            return far.DisposeAsync();
        log.Dispose();
        return ValueTask.CompletedTask;
    }
}

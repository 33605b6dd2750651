using System.Runtime.InteropServices;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>The log of operations.</summary>
static unsafe partial class Exports
{
    static readonly string[] KnownOpLog = ["level", "client_id"];

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_oplog_begin")]
    public static int OpLogBegin(byte* path, byte* options) => Guard.Run(() =>
    {
        string file = Arguments.Text(path, "path");
        if (file is not ['/', ..])
            throw new StoreException(ErrorKind.InvalidArgument, file, "path must be an absolute path of a file");
        int level = 1;
        string client = $"{Environment.MachineName}-{Environment.ProcessId}";
        foreach (var option in OptionReader.Read(Json(options), file))
        {
            switch (option.Name)
            {
                case "level":
                    level = (int)option.AsInteger(1, 22);
                    break;
                case "client_id":
                    client = option.AsText();
                    break;
                default:
                    throw option.Unknown(KnownOpLog);
            }
        }
        Recording.Begin(file, level, client);
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_oplog_end")]
    public static int OpLogEnd() => Guard.Run(() =>
    {
        Recording.End();
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_oplog_rows")]
    public static int OpLogRows(long* outRows) => Guard.Run(() =>
    {
        Arguments.Out(outRows, "out_rows");
        *outRows = Recording.Log?.Rows ?? -1;
        return Guard.Ok;
    });
}

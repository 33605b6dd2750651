using System.Runtime.CompilerServices;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>
/// Runs once, while the runtime starts and before any export does, in one thread with no other beside it. The first thread that finds a
/// lock of the runtime taken prepares all locks, in the midst of whatever class it was about to prepare: it reads settings and the
/// environment, for which it needs the text encodings, and finds those empty if it was them. That is a null reference whose report needs
/// the encodings too, until the stack ends; of a hundred processes whose first calls came from several threads at once, one died so. What
/// is used here is prepared before there can be a second thread.
/// </summary>
static class FirstUse
{
#pragma warning disable CA2255 // it is the library's start, and no application's, that has to come before everything
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Prepare()
    {
        // by the names that the locks ask for
        _ = AppContext.GetData("System.Threading.Lock.SpinCount");
        _ = Environment.GetEnvironmentVariable("DOTNET_Lock_SpinCount");
        // what a lock waits with, when spinning was of no use
        using var happened = new AutoResetEvent(initialState: true);
        happened.WaitOne(0);
        CredentialProgram.Folder = OwnFile.Folder;
    }
}

using S3dlio.Cache;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>
/// A store in the mode offline obeys the contract of a store as far as nobody has to be asked. Where the contract needs an answer of the
/// store behind it, the call is refused, and says why: those tests run here too, and have to fail with that refusal and no other error.
/// When each ends, the store gets all that was acknowledged.
/// </summary>
public abstract class HybridOffline : HybridConformance
{
    readonly ObjectStore _far;

    protected HybridOffline(ObjectStore backing)
        : base(backing, Back with { Mode = CacheMode.Offline }) => _far = backing;

    public override async Task DisposeAsync()
    {
        string known = await Contents(Store);
        // whoever sends what waits is a store in the mode back of the same cache
        var sender = new HybridStore(_far, ((HybridStore)Store).Options with { Mode = CacheMode.Back });
        var left = await sender.FlushAsync("", TimeSpan.FromSeconds(60), null, None);
        Assert.All(left.Writes, write => Assert.Fail($"{write.Uri} is left: {write.Error?.Message}"));
        Assert.Equal(known, await Contents(_far));
        await base.DisposeAsync();
        await foreach (var page in _far.ListAsync("", ListOptions.Default, None))
            await _far.DeleteAsync([.. page.Objects.Select(found => found.Key)], None);
    }

    // what is refused: conditions, attributes, and whether something is there that is not here; streams ask for the object's other form
    public override Task CopyAndRename_OntoItself_ChangeNothingAndObeyTheOptions() =>
        Refused(() => base.CopyAndRename_OntoItself_ChangeNothingAndObeyTheOptions());

    public override Task Copy_WithOptions_TheyHold() => Refused(() => base.Copy_WithOptions_TheyHold());

    public override Task DeleteSeen_WrittenSince_Stays() => Refused(() => base.DeleteSeen_WrittenSince_Stays());

    public override Task Forms_CreateOnly_FailsInEitherForm() => Refused(() => base.Forms_CreateOnly_FailsInEitherForm());

    public override Task Forms_EachSave_IsWhatAReadOfItsNameGives() => Refused(() => base.Forms_EachSave_IsWhatAReadOfItsNameGives());

    public override Task Forms_PlainSaveDuringACompressedOne_TheCompressedOneIsTold() =>
        Refused(() => base.Forms_PlainSaveDuringACompressedOne_TheCompressedOneIsTold());

    public override Task Head_AfterPut_TellsTheSame() => Refused(() => base.Head_AfterPut_TellsTheSame());

    public override Task Missing_EveryCall_NotFoundNamingTheObject() => Refused(() => base.Missing_EveryCall_NotFoundNamingTheObject());

    public override Task Put_IfMatchByManyAtOnce_OneWins() => Refused(() => base.Put_IfMatchByManyAtOnce_OneWins());

    public override Task Put_IfMatch_ReplacesThatVersionOnly() => Refused(() => base.Put_IfMatch_ReplacesThatVersionOnly());

    public override Task Put_OverwriteOffByManyAtOnce_OneWins() => Refused(() => base.Put_OverwriteOffByManyAtOnce_OneWins());

    public override Task Put_OverwriteOff_KeepsTheOldObject() => Refused(() => base.Put_OverwriteOff_KeepsTheOldObject());

    public override Task Put_UnknownAttribute_IsRefusedWithTheNearest() =>
        Refused(() => base.Put_UnknownAttribute_IsRefusedWithTheNearest());

    public override Task Put_WithAttributes_AreToldCopiedAndReplaced() => Refused(() => base.Put_WithAttributes_AreToldCopiedAndReplaced());

    public override Task Rename_OntoAnother_ObeysOverwrite() => Refused(() => base.Rename_OntoAnother_ObeysOverwrite());

    public override Task Stream_AnyLength_RoundTrips(int length) => Refused(() => base.Stream_AnyLength_RoundTrips(length));

    public override Task Stream_DamagedFrame_IsToldByEveryReadThatTouchesIt() =>
        Refused(() => base.Stream_DamagedFrame_IsToldByEveryReadThatTouchesIt());

    public override Task Stream_Disposed_LeavesNothing() => Refused(() => base.Stream_Disposed_LeavesNothing());

    public override Task Stream_NameWithSuffix_GetsNoSecond() => Refused(() => base.Stream_NameWithSuffix_GetsNoSecond());

    public override Task Stream_RandomRangesOfCompressed_GiveThoseBytesFromFewFrames() =>
        Refused(() => base.Stream_RandomRangesOfCompressed_GiveThoseBytesFromFewFrames());

    public override Task Stream_WithoutSeekTable_IsReadFromItsFront() => Refused(() => base.Stream_WithoutSeekTable_IsReadFromItsFront());

    public override Task Stream_WriteOrCompletionInterrupted_CannotBeCompleted(int? level) => level is null
        ? base.Stream_WriteOrCompletionInterrupted_CannotBeCompleted(level)
        : Refused(() => base.Stream_WriteOrCompletionInterrupted_CannotBeCompleted(level));

    static async Task<string> Contents(ObjectStore store)
    {
        var found = new List<string>();
        await foreach (var page in store.ListAsync("", ListOptions.Default, None))
            found.AddRange(page.Objects.Select(static one => $"{one.Key} {one.Size}"));
        found.Sort(StringComparer.Ordinal);
        return string.Join('\n', found);
    }

    /// <summary>The test ends by a refusal of the mode.</summary>
    static async Task Refused(Func<Task> test)
    {
        var error = await Record.ExceptionAsync(test);
        Assert.True(error is StoreException { Kind: ErrorKind.Unavailable }
            || error?.Message.Contains($"found {ErrorKind.Unavailable}: ", StringComparison.Ordinal) == true, $"no refusal: {error}");
        Assert.Contains("mode is \"offline\"", error!.Message, StringComparison.Ordinal);
    }
}

public class HybridMemoryOfflineTests() : HybridOffline(Memory());

public class HybridFileOfflineTests : HybridOffline
{
    readonly TemporaryDirectory _files;

    public HybridFileOfflineTests()
        : this(new TemporaryDirectory())
    {
    }

    HybridFileOfflineTests(TemporaryDirectory files)
        : base(StoreFactory.Open(StoreUri.Parse($"file://{files["root"]}"), StoreOptions.Default)) => _files = files;

    protected override int ManyEntries => 1000;

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _files.Delete();
    }
}

public abstract class HybridServerOffline(string server) : HybridOffline(HybridServer.Open(server))
{
    protected override int ManyEntries => 1200;

    public override Task InitializeAsync() => HybridServer.CreateContainer(server);
}

[NeedsServer("S3")]
public class HybridS3OfflineTests() : HybridServerOffline("S3");

[NeedsServer("AZURE")]
public class HybridAzureOfflineTests() : HybridServerOffline("AZURE")
{
    protected override bool Holds(string key) => HybridAzure.HoldsKey(key);

    // what the service cannot keep is known when it is sent: it is parked then
    public override Task Key_OddButAllowed_IsTakenLiterally(string key) =>
        HybridAzure.HoldsKey(key) ? base.Key_OddButAllowed_IsTakenLiterally(key) : Task.CompletedTask;
}

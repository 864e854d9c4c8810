# Installs imjoy on Windows; `powershell -File install.ps1 -Help` says how.
#
#   irm https://github.com/oeway/ImJoy-Engine/raw/HEAD/install.ps1 | iex
#
# It does what has to happen before there is a Python: look, download, verify, run the installer of conda, install imjoy.
# The rest is done by `imjoy install`, as install.sh has it. Everything stands in functions, and nothing at the top level
# ends the session: under iex that would close the window of whoever typed the line. Windows PowerShell 5.1 and later.

param(
    [string]$Prefix = $env:IMJOY_PREFIX,
    [ValidateSet('auto', 'miniconda', 'miniforge', 'venv')]
    [string]$Distribution = 'auto',
    [string]$From = '',
    [string]$Mirror = $env:IMJOY_MIRROR,
    [string]$Sha256 = '',
    [switch]$ModifyPath,
    [switch]$Start,
    [switch]$Uninstall,
    [switch]$Yes,
    [switch]$DryRun,
    [switch]$Json,
    [switch]$Quiet,
    [switch]$Version,
    [switch]$Help
)

$ImJoyVersion = '0.12.0'
$ProjectUrl = 'https://github.com/oeway/ImJoy-Engine'
$ImJoyMiB = 300
$BytesPerMiB = 1048576

# The same in install.sh, install.ps1 and imjoy.
$ExitCodes = @{ Done = 0; Failed = 1; Usage = 2; Refused = 3; Network = 4; Checksum = 6; Locked = 7 }

# --- installers: written by .ci/installer-tables from installers.toml, do not edit
$Installers = @{
    miniconda = @{
        Title = 'Miniconda'
        Version = 'py314_26.7.1-1'
        Base = 'https://repo.anaconda.com/miniconda/'
        File = 'Miniconda3-py314_26.7.1-1-Windows-x86_64.exe'
        Sha256 = '27f1f8ae8c27bc22bbc383b84bf08c63a20a6e190f3975f3502625b1045330b2'
        WindowsBuild = 17763
        NeededMiB = 564
    }
    miniforge = @{
        Title = 'Miniforge'
        Version = '26.7.2-0'
        Base = 'https://github.com/conda-forge/miniforge/releases/download/26.7.2-0/'
        File = 'Miniforge3-26.7.2-0-Windows-x86_64.exe'
        Sha256 = '71cf9519087be74fa53021219ff292beb2fc05fa49e0bb6eb0e0b6b14fccbaab'
        WindowsBuild = 17763
        NeededMiB = 564
    }
}
# --- end of installers

function Write-Help {
    Write-Output @'
Installs imjoy, which runs native Python plugins for the ImJoy app.

usage: powershell -File install.ps1 [options]

  -Prefix DIR     the folder (default: IMJOY_PREFIX, else ImJoyApp in your home)
  -Distribution auto|miniconda|miniforge|venv
                  where its Python comes from
  -From SOURCE    what to install: a checkout's folder, a wheel, or a git url
  -Mirror URL     where the installers of conda lie instead
  -Sha256 HASH    what the installer's SHA-256 has to be, with -Mirror
  -ModifyPath     also put imjoy on PATH for good
  -Start          afterwards start the engine and open the app
  -Uninstall      take away what was installed
  -Yes, -DryRun, -Json, -Quiet, -Version, -Help

exit codes: 0 done; 1 failed; 2 usage; 3 something is in the way, nothing was
changed; 4 network needed and not there; 6 a download is not what it should be;
7 another install is at work.
'@
}

function Say([string]$Text) {
    if (-not $Quiet) { [Console]::Error.WriteLine($Text) }
}

# An error that a person can act on. It is thrown, so that nothing here ends the session.
function Stop-Install([int]$Code, [string]$Id, [string]$What, [string]$Fix) {
    $failure = New-Object System.Exception $What
    $failure.Data['Code'] = $Code
    $failure.Data['Id'] = $Id
    $failure.Data['Fix'] = $Fix
    throw $failure
}

function Get-Prefix {
    if ($Prefix) { return [IO.Path]::GetFullPath($Prefix) }
    return Join-Path $HOME 'ImJoyApp'
}

# --- looking at the machine: changes nothing, and collects every problem ----------------------------------------------

function Find-Problems([string]$Folder, $Table) {
    $problems = @()
    $build = [Environment]::OSVersion.Version.Build
    if ($Table -and $build -lt $Table.WindowsBuild) {
        $problems += "$($Table.Title) needs Windows build $($Table.WindowsBuild), and this is $build"
    }
    if ($Table -and -not [Environment]::Is64BitOperatingSystem) {
        $problems += "$($Table.Title) needs a 64-bit Windows"
    }
    if ($Table -and $Folder -match '[^\x21-\x7e]') {
        $problems += "conda cannot live in a folder with spaces or letters beyond ASCII in its name: $Folder; give -Prefix C:\ImJoyApp"
    }
    if (Test-Path -LiteralPath $Folder -PathType Leaf) {
        $problems += "$Folder is there and is not a folder"
    }
    $ours = Join-Path $Folder '.imjoy'
    $holds = (Test-Path -LiteralPath $Folder -PathType Container) -and (Get-ChildItem -LiteralPath $Folder -Force)
    $known = (Test-Path -LiteralPath (Join-Path $ours 'receipt.json')) -or (Test-Path -LiteralPath (Join-Path $ours 'incomplete'))
    if ($holds -and -not $known) {
        $problems += "$Folder holds files that this script did not put there; give another -Prefix"
    }
    $drive = (Split-Path -Qualifier $Folder).TrimEnd(':')
    $free = (Get-PSDrive -Name $drive -ErrorAction SilentlyContinue).Free
    $needed = $ImJoyMiB
    if ($Table) { $needed += $Table.NeededMiB }
    if ($free -and $free / $BytesPerMiB -lt $needed) {
        $problems += "drive $drive has $([int]($free / $BytesPerMiB)) MiB free, and $needed MiB are needed"
    }
    return $problems
}

# A Python from python.org, 3.10 or newer, by the launcher that comes with it.
function Find-Python {
    # With Stop, Windows PowerShell takes the first line on stderr for a failure.
    $ErrorActionPreference = 'Continue'
    $found = & py -3 -c "import sys; print(sys.executable if sys.version_info >= (3, 10) else '')" 2>$null
    if ($LASTEXITCODE -eq 0 -and $found) { return "$found".Trim() }
    return ''
}

# --- the steps --------------------------------------------------------------------------------------------------------

function Get-Identity([int]$Id) {
    $process = Get-Process -Id $Id -ErrorAction SilentlyContinue
    if (-not $process) { return '' }
    $epoch = [DateTime]::new(1970, 1, 1, 0, 0, 0, [DateTimeKind]::Utc)
    $started = [int64][Math]::Floor(($process.StartTime.ToUniversalTime() - $epoch).TotalSeconds)
    return "$Id $([Environment]::MachineName) $started"
}

# The lock is a folder, as making one is atomic; install.sh and imjoy install use the same.
function Enter-Lock([string]$Lock) {
    for ($try = 0; $try -lt 3; $try++) {
        $made = New-Item -ItemType Directory -Path $Lock -ErrorAction SilentlyContinue
        if ($made) {
            [IO.File]::WriteAllText((Join-Path $Lock 'owner'), (Get-Identity $PID) + "`n")
            return
        }
        Start-Sleep -Milliseconds 500
        $owner = "$(Get-Content -LiteralPath (Join-Path $Lock 'owner') -ErrorAction SilentlyContinue)"
        $number = ($owner -split ' ')[0]
        if ($number -match '^\d+$' -and (Get-Identity ([int]$number)) -eq $owner) {
            Stop-Install $ExitCodes.Locked 'install.locked' "another install is at work (process $number)" 'wait until it is done'
        }
        Remove-Item -LiteralPath $Lock -Recurse -Force -ErrorAction SilentlyContinue
    }
    Stop-Install $ExitCodes.Failed 'install.lock_failed' "the lock $Lock cannot be taken" 'remove that folder when nothing uses it'
}

# curl.exe comes with Windows 10 and resumes; the name without .exe is another command in Windows PowerShell.
function Get-File([string]$Url, [string]$Target) {
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    if (Get-Command curl.exe -ErrorAction SilentlyContinue) {
        $words = @('-L', '-sS', '--tlsv1.2', '--retry', '4', '--connect-timeout', '15', '--speed-limit', '1024')
        $words += @('--speed-time', '30', '--continue-at', '-', '--output', $Target, $Url)
        & curl.exe -f @words
        if ($LASTEXITCODE -ne 0) {
            Stop-Install $ExitCodes.Network 'download.failed' "$Url could not be downloaded" 'look at the network and HTTPS_PROXY, or use -Mirror'
        }
        return
    }
    try {
        Invoke-WebRequest -UseBasicParsing -Uri $Url -OutFile $Target -TimeoutSec 600
    } catch {
        Stop-Install $ExitCodes.Network 'download.failed' "$Url could not be downloaded: $_" 'look at the network, or use -Mirror'
    }
}

function Install-Conda([string]$Folder, $Table, [string]$Stage) {
    $url = "$($Table.Base)$($Table.File)"
    if ($Mirror) { $url = "$($Mirror.TrimEnd('/'))/$($Table.File)" }
    $wanted = $Table.Sha256
    if ($Sha256) { $wanted = $Sha256 }
    $file = Join-Path $Stage $Table.File
    Say "  downloading $($Table.Title)"
    Get-File $url $file
    $found = (Get-FileHash -LiteralPath $file -Algorithm SHA256).Hash
    if ($found -ne $wanted) {
        Stop-Install $ExitCodes.Checksum 'download.checksum' "$url is not what it should be; nothing of it was used" "its SHA-256 is $found and has to be $wanted"
    }
    Say "  installing $($Table.Title)"
    # The installer takes everything behind /D= for the folder: last, and without quotes.
    $words = "/InstallationType=JustMe /AddToPath=0 /RegisterPython=0 /S /D=$Folder"
    $process = Start-Process -FilePath $file -ArgumentList $words -Wait -PassThru
    if ($process.ExitCode -ne 0) {
        Stop-Install $ExitCodes.Failed 'installer.failed' "the installer of $($Table.Title) failed with $($process.ExitCode)" 'look at %TEMP%'
    }
}

function Invoke-Step([string]$Title, [string]$Program, [string[]]$Words) {
    Say "  $Title"
    $ErrorActionPreference = 'Continue'
    & $Program @Words 2>&1 | Out-File -FilePath $script:Log -Append -Encoding utf8
    if ($LASTEXITCODE -ne 0) {
        Stop-Install $ExitCodes.Failed 'install.failed' "$Title failed" "the log is $script:Log"
    }
}

function Get-PrefixPython([string]$Folder) {
    $inside = Join-Path $Folder 'Scripts\python.exe'
    if (Test-Path -LiteralPath $inside) { return $inside }
    return Join-Path $Folder 'python.exe'
}

function Install-ImJoy {
    $folder = Get-Prefix
    $kind = $Distribution
    if ($kind -eq 'auto') { $kind = 'miniconda' }
    $table = $null
    if ($kind -ne 'venv') { $table = $Installers[$kind] }
    $problems = @(Find-Problems $folder $table)
    $python = ''
    if ($kind -eq 'venv') {
        $python = Find-Python
        if (-not $python) { $problems += 'there is no Python 3.10 or newer: install one from https://www.python.org/downloads/' }
    }
    if ($problems.Count -gt 0) {
        Stop-Install $ExitCodes.Refused 'install.refused' 'imjoy cannot be installed here yet, and nothing was changed' ($problems -join "`n  ")
    }
    $source = "git+$ProjectUrl"
    if ($From) { $source = $From }
    if ($DryRun) {
        $plan = [ordered]@{ schema = 1; kind = 'plan'; version = $ImJoyVersion; prefix = $folder; distribution = $kind; source = $source }
        if ($Json) { Write-Output ($plan | ConvertTo-Json -Compress) } else { Write-Output "Install imjoy into $folder from $source with $kind" }
        return
    }
    $ours = Join-Path $folder '.imjoy'
    $stage = Join-Path $ours 'stage'
    $lock = Join-Path $ours 'install.lock'
    New-Item -ItemType Directory -Force -Path $ours | Out-Null
    Enter-Lock $lock
    try {
        $first = -not (Test-Path -LiteralPath (Join-Path $ours 'receipt.json'))
        $state = 'interrupted'
        if ($first) { $state = 'unfinished' }
        [IO.File]::WriteAllText((Join-Path $ours 'incomplete'), "$state`n")
        New-Item -ItemType Directory -Force -Path $stage | Out-Null
        $script:Log = Join-Path $ours 'install.log'
        if (-not (Test-Path -LiteralPath (Get-PrefixPython $folder))) {
            if ($table) { Install-Conda $folder $table $stage } else { Invoke-Step 'making the environment' $python @('-m', 'venv', $folder) }
        }
        $inside = Get-PrefixPython $folder
        & $inside -I -c 'pass'
        if ($LASTEXITCODE -ne 0) {
            Stop-Install $ExitCodes.Failed 'installer.failed' "the Python that was put into $folder does not run" "the log is $script:Log"
        }
        Invoke-Step 'installing imjoy and what it needs' $inside @('-I', '-m', 'pip', 'install', '--upgrade', $source)
        $handed = [ordered]@{ action = 'install'; distribution = $kind; python = $python; source = $source; source_id = ''; made_folder = ''; conda = ''; notices = @() }
        Complete-Install $inside $folder ($handed | ConvertTo-Json -Compress)
    } finally {
        Remove-Item -LiteralPath $stage -Recurse -Force -ErrorAction SilentlyContinue
        Remove-Item -LiteralPath $lock -Recurse -Force -ErrorAction SilentlyContinue
    }
}

# The second half is imjoy's own: the engine's first start, the receipt, PATH, what to do next.
function Complete-Install([string]$Python, [string]$Folder, [string]$Handed) {
    # Windows PowerShell takes the quotes out of what it gives to programs.
    $quoted = $Handed.Replace('\', '\\').Replace('"', '\"')
    if ($PSVersionTable.PSVersion -ge [Version]'7.3') { $quoted = $Handed }
    $words = @('-I', '-m', 'imjoy', 'install', '--finish', $quoted, '--prefix', $Folder, '--shell', 'powershell')
    if ($Json) { $words += '--json' }
    if ($Quiet) { $words += '--quiet' }
    if ($ModifyPath) { $words += '--modify-path' }
    & $Python @words
    if ($LASTEXITCODE -ne 0) {
        Stop-Install $LASTEXITCODE 'install.unhealthy' 'imjoy was installed, but does not work yet' 'its own words stand above'
    }
}

function Uninstall-ImJoy {
    $folder = Get-Prefix
    $receipt = Join-Path $folder '.imjoy\receipt.json'
    if (-not (Test-Path -LiteralPath $receipt)) {
        Say "There is nothing to remove: no imjoy in $folder."
        return
    }
    $parts = @((Get-Content -Raw -LiteralPath $receipt | ConvertFrom-Json).parts | Where-Object { $_ -eq (Split-Path -Leaf $_) -and $_ -ne '.imjoy' })
    Say "To be removed from ${folder}: $($parts -join ' ')"
    if ($DryRun) { return }
    if (-not $Yes -and (Read-Host 'Remove all of it? [y/N]') -notmatch '^[yY]') {
        Stop-Install $ExitCodes.Usage 'uninstall.unconfirmed' 'nothing was removed' 'install.ps1 -Uninstall -Yes'
    }
    $inside = Get-PrefixPython $folder
    if (Test-Path -LiteralPath $inside) {
        $ErrorActionPreference = 'Continue'
        & $inside -I -m imjoy stop --prefix $folder 2>&1 | Out-Null
        & $inside -I -m imjoy path --remove --shell powershell --prefix $folder 2>&1 | Out-Null
    }
    foreach ($part in $parts + '.imjoy') {
        Remove-Item -LiteralPath (Join-Path $folder $part) -Recurse -Force -ErrorAction SilentlyContinue
    }
    if (-not (Get-ChildItem -LiteralPath $folder -Force)) { Remove-Item -LiteralPath $folder }
    Say "imjoy is gone from $folder. Your workspace stays."
}

# What leaks into a Python from outside is set aside while the script runs, and put back.
function Invoke-Isolated([scriptblock]$Action) {
    $names = 'PYTHONPATH', 'PYTHONHOME', 'PYTHONSTARTUP', 'VIRTUAL_ENV', 'PIP_TARGET', 'PIP_PREFIX', 'PIP_USER', 'PYTHONNOUSERSITE'
    $before = @{}
    foreach ($name in $names) {
        $before[$name] = [Environment]::GetEnvironmentVariable($name)
        [Environment]::SetEnvironmentVariable($name, $null)
    }
    [Environment]::SetEnvironmentVariable('PYTHONNOUSERSITE', '1')
    try { & $Action } finally {
        foreach ($name in $names) { [Environment]::SetEnvironmentVariable($name, $before[$name]) }
    }
}

function Start-ImJoy {
    & (Get-PrefixPython (Get-Prefix)) -I -m imjoy start --serve --open
}

function Invoke-Main {
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue'
    $code = $ExitCodes.Done
    try {
        if ($Help) { Write-Help }
        elseif ($Version) { Write-Output "imjoy $ImJoyVersion" }
        elseif ($Uninstall) { Uninstall-ImJoy }
        else {
            Invoke-Isolated { Install-ImJoy }
            if ($Start -and -not $DryRun) { Start-ImJoy }
        }
    } catch {
        $failure = $_.Exception
        $code = $ExitCodes.Failed
        if ($failure.Data.Contains('Code')) { $code = $failure.Data['Code'] }
        [Console]::Error.WriteLine("error: $($failure.Message)")
        if ($failure.Data.Contains('Fix')) { [Console]::Error.WriteLine("  $($failure.Data['Fix'])") }
        if ($Json) {
            $told = [ordered]@{ id = "$($failure.Data['Id'])"; what = $failure.Message; why = ''; fix = "$($failure.Data['Fix'])"; exit_code = $code }
            Write-Output ([ordered]@{ schema = 1; kind = 'failure'; error = $told } | ConvertTo-Json -Compress)
        }
    }
    # Under iex there is no file, and leaving would close the window of whoever typed the line.
    if ($PSCommandPath) { exit $code }
    $global:LASTEXITCODE = $code
}

Invoke-Main

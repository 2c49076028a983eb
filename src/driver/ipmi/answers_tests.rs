//! What `ipmitool` 1.8.19 printed when it spoke to a simulated BMC, and what it never prints.

use proptest::prelude::*;

use super::*;

/// `mc info`.
const CONTROLLER: &str = "\
Device ID                 : 0
Device Revision           : 3
Firmware Revision         : 9.08
IPMI Version              : 2.0
Manufacturer ID           : 4753
Manufacturer Name         : MontaVista Software, Inc.
Product ID                : 3842 (0x0f02)
Product Name              : Unknown (0xF02)
Device Available          : yes
Provides Device SDRs      : no
Additional Device Support :
    Sensor Device
    SDR Repository Device
    SEL Device
    FRU Inventory Device
    IPMB Event Receiver
    Chassis Device
Aux Firmware Rev Info     : 
    0x00
    0x00
    0x00
    0x00
";

/// `fru print 0`.
const INVENTORY: &str = " \
Chassis Type          : Rack Mount Chassis
 Chassis Part Number   : CH-1
 Chassis Serial        : CHS-0001
 Board Mfg Date        : Sun Dec 30 05:36:00 2001 UTC
 Board Mfg             : Acme Boards
 Board Product         : Falcon board
 Board Serial          : BRD-0001
 Board Part Number     : BP-9
 Product Manufacturer  : Acme
 Product Name          : Falcon 9000
 Product Part Number   : PN-77
 Product Version       : v2
 Product Serial        : SN-0001
 Product Asset Tag     : asset-1
";

/// The beginning of `lan print`.
const NETWORK: &str = "\
Set in Progress         : Set Complete
Auth Type Support       : NONE MD2 MD5 PASSWORD 
Auth Type Enable        : Callback : NONE MD2 MD5 PASSWORD 
                        : User     : NONE MD2 MD5 PASSWORD 
                        : Operator : NONE MD2 MD5 PASSWORD 
                        : Admin    : NONE MD2 MD5 PASSWORD 
                        : OEM      : 
IP Address Source       : Unspecified
IP Address              : 0.0.0.0
Subnet Mask             : 0.0.0.0
MAC Address             : 02:00:5e:10:00:01
SNMP Community String   : public
";

/// `chassis bootparam get 5`.
const BOOT: &str = "\
Boot parameter version: 1
Boot parameter 5 is valid/unlocked
Boot parameter data: 0004000000
 Boot Flags :
   - Boot Flag Invalid
   - Options apply to only next boot
   - BIOS PC Compatible (legacy) boot 
   - Boot Device Selector : Force PXE
   - BIOS verbosity : System Default
   - Console Redirection control : Console redirection occurs per BIOS configuration setting (default)
   - BIOS Mux Control Override : BIOS uses recommended setting of the mux at the end of POST
";

#[test]
fn power_is_one_of_two_lines() {
    assert_eq!(power("Chassis Power is on\n"), Some(Power::On));
    assert_eq!(power("Chassis Power is off\n"), Some(Power::Off));
    for said in ["", "on", "Chassis Power is onoff", "Chassis Power is on\nx"] {
        assert_eq!(power(said), None, "{said:?}");
    }
}

#[test]
fn boot_flags_are_read_from_the_data() {
    let flags = boot_flags(BOOT).unwrap();
    let expected = BootFlags {
        valid: false,
        persistent: false,
        uefi: false,
        network: true,
    };
    assert_eq!(flags, expected);
    assert_eq!(
        flags.differences(BootMode::Uefi),
        ["as not valid", "for legacy boot"]
    );
    assert_eq!(flags.differences(BootMode::Bios), ["as not valid"]);

    let with = |data: &str| boot_flags(&BOOT.replace("0004000000", data));
    let good = with("a004000000").unwrap();
    assert!(good.differences(BootMode::Uefi).is_empty());
    assert_eq!(good.differences(BootMode::Bios), ["for UEFI boot"]);
    let disk = with("C008000000").unwrap();
    assert_eq!(
        disk.differences(BootMode::Bios),
        ["as another device", "for every boot"]
    );
    // The two bits beside the selector are about a keyboard and a memory.
    assert!(with("8084000000").unwrap().network);
    for data in ["", "80", "80040000001", "8x04000000", "€400000"] {
        assert_eq!(with(data), None, "{data:?}");
    }
    assert_eq!(boot_flags(""), None);
}

#[test]
fn fields_are_found_by_their_names() {
    for (said, name, value) in [
        (CONTROLLER, "Firmware Revision", Some("9.08")),
        (
            CONTROLLER,
            "Manufacturer Name",
            Some("MontaVista Software, Inc."),
        ),
        (CONTROLLER, "Product Name", None),
        (CONTROLLER, "Aux Firmware Rev Info", None),
        (CONTROLLER, "Sensor Device", None),
        (INVENTORY, "Chassis Type", Some("Rack Mount Chassis")),
        (
            INVENTORY,
            "Board Mfg Date",
            Some("Sun Dec 30 05:36:00 2001 UTC"),
        ),
        (INVENTORY, "Product Name", Some("Falcon 9000")),
        (INVENTORY, "Product Extra", None),
        (NETWORK, "IP Address", Some("0.0.0.0")),
        ("", "IP Address", None),
    ] {
        assert_eq!(field(said, name), value, "{name}");
    }
    assert_eq!(address(NETWORK, "IP Address"), None);
    assert_eq!(address(NETWORK, "MAC Address"), Some("02:00:5e:10:00:01"));
}

proptest! {
    #[test]
    fn whatever_is_printed_is_understood_or_not(said in "(?s).{0,400}") {
        // What it makes of it is no matter, as long as it returns.
        std::hint::black_box((power(&said), boot_flags(&said), field(&said, "Product Name"), address(&said, "IP Address")));
    }

    #[test]
    fn data_of_any_kind_is_five_bytes_or_nothing(data in "[0-9a-fA-F€ ]{0,12}") {
        let flags = boot_flags(&format!("Boot parameter data: {data}\n"));
        let five = data.len() == 10 && data.bytes().all(|byte| byte.is_ascii_hexdigit());
        prop_assert_eq!(flags.is_some(), five);
    }
}
